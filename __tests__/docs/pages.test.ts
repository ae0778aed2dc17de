/**
 * @one-node-version
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ALL_PAGES } from './all-pages.js';
import { localLinks, readPage, targetOf, withoutCode } from './markdown.js';

test.each(ALL_PAGES)('The page %s has no dead link', async (page) => {
  for (const link of localLinks(await readPage(page))) {
    const target = targetOf(link, page);
    const [, anchor] = link.split('#');
    expect([link, existsSync(join(process.cwd(), target))]).toEqual([link, true]);
    if (anchor !== undefined) expect(await anchorsOf(target)).toContain(anchor);
  }
});

test('Each page can be reached by links from the README', async () => {
  const reached = new Set(['README.md']);
  for (const page of reached) {
    if (!page.endsWith('.md')) continue;
    for (const link of localLinks(await readPage(page))) reached.add(targetOf(link, page));
  }
  expect(
    ALL_PAGES.filter((page) => !reached.has(page) && !page.startsWith('docs/api-report/')),
  ).toEqual([]);
});

/** As GitHub makes them of headings. */
async function anchorsOf(page: string): Promise<string[]> {
  const headings = withoutCode(await readPage(page)).matchAll(/^#+ (.+)$/gm);
  return Array.from(headings, ([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

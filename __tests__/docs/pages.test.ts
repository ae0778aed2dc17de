/**
 * @one-node-version
 */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ENTRIES } from './entries.js';
import { codeBlocks, localLinks, readPage, targetOf, withoutCode } from './markdown.js';

const PAGES = ['README.md', ...(await pagesBelow('docs')), ...(await pagesBelow('examples'))];

describe.each(PAGES)('The page %s', (page) => {
  test('has no dead link', async () => {
    for (const link of localLinks(await readPage(page))) {
      const target = targetOf(link, page);
      const [, anchor] = link.split('#');
      expect([link, existsSync(join(process.cwd(), target))]).toEqual([link, true]);
      if (anchor !== undefined) expect(await anchorsOf(target)).toContain(anchor);
    }
  });

  test('imports only what the package exports', async () => {
    for (const code of codeBlocks(await readPage(page), ['js', 'ts'])) {
      for (const [, names = '', from = ''] of code.matchAll(IMPORT)) {
        expect(Object.keys(ENTRIES)).toContain(from);
        const exported = Object.keys(ENTRIES[from] ?? {});
        for (const name of names.split(',')) expect(exported).toContain(name.trim());
      }
    }
  });
});

const IMPORT = /import \{([^}]+)\} from '(express-git-snapshot[^']*)'/g;

async function pagesBelow(directory: string): Promise<string[]> {
  const names = await readdir(join(process.cwd(), directory), { recursive: true });
  // TypeDoc makes the pages in `docs/api/`, and checks their links.
  return names
    .map((name) => join(directory, name))
    .filter((name) => name.endsWith('.md') && !name.startsWith(join('docs', 'api', '/')));
}

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

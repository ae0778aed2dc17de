/**
 * @one-node-version
 */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { ENTRIES } from './entries.js';
import { codeBlocks, readPage, withoutCode } from './markdown.js';

const PAGES = ['README.md', ...(await pagesBelow('docs')), ...(await pagesBelow('examples'))];

describe.each(PAGES)('The page %s', (page) => {
  test('has no dead link', async () => {
    const links = withoutCode(await readPage(page)).matchAll(/\]\(([^)\s]+)\)/g);
    for (const [, link = ''] of links) {
      if (/^https:\/\//.test(link)) continue;
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? page : normalize(join(dirname(page), path));
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
  return names.filter((name) => name.endsWith('.md')).map((name) => join(directory, name));
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

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** All pages for people, as paths from the project's root. TypeDoc makes those in `docs/api/`, and checks them. */
export const ALL_PAGES = [
  'README.md',
  ...(await pagesBelow('docs')),
  ...(await pagesBelow('examples')),
].filter((page) => !page.startsWith(join('docs', 'api', '/')));

async function pagesBelow(directory: string): Promise<string[]> {
  const names = await readdir(join(process.cwd(), directory), { recursive: true });
  const pages = names.filter((name) => name.endsWith('.md') && !name.includes('node_modules'));
  return pages.sort().map((name) => join(directory, name));
}

/**
 * @needs bash
 * @one-node-version
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { execute } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';
import { type CodeBlock, codeBlocksOf } from './code-block.js';
import { compileBlocks } from './compile-blocks.js';

const PAGES = ['README.md', ...(await pagesIn('docs')), ...(await pagesIn('examples'))];

const blocks = (await Promise.all(PAGES.map(codeBlocksOf))).flat();

/** The blocks without a language, by page. */
const PICTURES: Record<string, string[]> = {
  'README.md': ['a request and its answer'],
  'docs/architecture.md': ['the layers'],
  'docs/freshness.md': ['what a request gets'],
  'docs/observability.md': ['the spans of a request'],
  'docs/operating.md': ['the data directory'],
  'docs/performance.md': ['the steps from the upstream to the archive'],
};

const { directory } = cleanup(afterAll);

test('All JavaScript and TypeScript on the pages compiles against the package', async () => {
  const errors = await compileBlocks(inLanguages('js', 'ts'), await directory());
  expect(errors).toEqual([]);
});

test('All JSON and YAML on the pages can be parsed', () => {
  for (const block of inLanguages('json', 'yaml')) {
    if (block.language === 'json') expect(() => JSON.parse(block.code)).not.toThrow();
    else {
      const errors = parseAllDocuments(block.code).flatMap((document) => document.errors);
      expect([where(block), errors]).toEqual([where(block), []]);
    }
  }
});

test('All commands on the pages are valid for bash', async () => {
  for (const block of inLanguages('sh', 'console')) {
    const input = block.code.replace(/^\$ /gm, '');
    const { stderr } = await execute('bash', ['-n'], { input });
    expect([where(block), stderr]).toEqual([where(block), '']);
  }
});

test('Each block on the pages is in a language that a test checks, or is a picture', () => {
  // `rolling-restarts.test.ts` and the tests of hosts run nginx with the blocks of this page.
  const checked = ['js', 'ts', 'json', 'yaml', 'sh', 'console'];
  const others = blocks.filter(({ language }) => !checked.includes(language));
  expect(others.filter(({ language }) => language !== '').map(where)).toEqual([]);
  const pictures = others.map(({ page }) => page);
  expect(pictures).toEqual(
    Object.keys(PICTURES).flatMap((page) => PICTURES[page]?.map(() => page)),
  );
});

function inLanguages(...languages: string[]): CodeBlock[] {
  const found = blocks.filter(({ language }) => languages.includes(language));
  expect(found).not.toEqual([]);
  return found;
}

function where({ page, line }: CodeBlock): string {
  return `${page}:${line}`;
}

/** The pages of a directory, and those of its folders that have one named `README.md`. */
async function pagesIn(directory: string): Promise<string[]> {
  const names = await readdir(join(process.cwd(), directory), { recursive: true });
  const pages = names.filter((name) => /^([^/]+\/README|[^/]+)\.md$/.test(name)).sort();
  return pages.map((name) => join(directory, name));
}

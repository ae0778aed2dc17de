/**
 * @needs bash
 * @one-node-version
 */
import { parseAllDocuments } from 'yaml';
import { execute } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';
import { ALL_PAGES } from './all-pages.js';
import { type CodeBlock, codeBlocksOf } from './code-block.js';
import { compileBlocks } from './compile-blocks.js';

const { directory } = cleanup(afterAll);

// `__tests__/package/api-report.test.ts` makes the reports anew.
const pages = ALL_PAGES.filter((page) => !page.startsWith('docs/api-report/'));
const blocks = (await Promise.all(pages.map(codeBlocksOf))).flat();

/** The blocks without a language, which are no code, by page. */
const PICTURES: Record<string, string[]> = {
  'README.md': ['a request and its answer'],
  'docs/architecture.md': ['the layers'],
  'docs/command.md': ['the line that a restore prints'],
  'docs/freshness.md': ['what a request gets'],
  'docs/observability.md': ['the spans of a request'],
  'docs/operating.md': ['the data directory'],
  'docs/performance.md': ['the steps from the upstream to the archive'],
};

/** Languages of the tests below, and of `nginx-blocks.test.ts`. */
const CHECKED = ['console', 'js', 'json', 'nginx', 'sh', 'ts', 'yaml'];

/** Other blocks, and the tests that use them. */
const USED: Record<string, string> = {
  'http on docs/http.md': '__tests__/http/snapshot-query.test.ts',
  'apache on docs/proxies.md': '__tests__/http/offload.test.ts',
};

test('All JavaScript and TypeScript on the pages compiles against the package', async () => {
  const errors = await compileBlocks(blocksIn('js', 'ts'), await directory());
  expect(errors).toEqual([]);
});

test('All JSON and YAML on the pages can be parsed', () => {
  for (const block of blocksIn('json')) {
    expect([where(block), errorOf(() => JSON.parse(block.code))]).toEqual([
      where(block),
      undefined,
    ]);
  }
  for (const block of blocksIn('yaml')) {
    const errors = parseAllDocuments(block.code).flatMap((document) => document.errors);
    expect([where(block), errors]).toEqual([where(block), []]);
  }
});

test('All commands on the pages are valid for bash', async () => {
  for (const block of blocksIn('console', 'sh')) {
    const input = block.code.replace(/^\$ /gm, '');
    const { stderr } = await execute('bash', ['-n'], { input });
    expect([where(block), stderr]).toEqual([where(block), '']);
  }
});

test('Each block on the pages is in a language that a test checks, or is listed as a picture', () => {
  const others = blocks.filter(({ language }) => ![...CHECKED, ''].includes(language));
  expect(others.map(({ language, page }) => `${language} on ${page}`)).toEqual(Object.keys(USED));
  const pictures = blocks.filter(({ language }) => language === '').map(({ page }) => page);
  expect(pictures).toEqual(
    Object.entries(PICTURES).flatMap(([page, names]) => names.map(() => page)),
  );
});

function blocksIn(...languages: string[]): CodeBlock[] {
  const found = blocks.filter(({ language }) => languages.includes(language));
  expect(found).not.toEqual([]);
  return found;
}

function errorOf(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error;
  }
}

function where({ page, line }: CodeBlock): string {
  return `${page}:${line}`;
}

/**
 * @one-node-version
 */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import * as client from '../../lib/client/index.js';
import * as main from '../../lib/index.js';
import * as locks from '../../lib/locks/index.js';
import * as redis from '../../lib/locks/redis.js';
import * as service from '../../lib/service/index.js';
import * as store from '../../lib/stores/index.js';
import * as s3 from '../../lib/stores/s3/index.js';
import * as testing from '../../lib/testing/index.js';
import { codeBlocks, codeSpans, readPage, readTable, withoutCode } from './markdown.js';

const ENTRIES: Record<string, object> = {
  'express-git-snapshot': main,
  'express-git-snapshot/client': client,
  'express-git-snapshot/service': service,
  'express-git-snapshot/store': store,
  'express-git-snapshot/locks': locks,
  'express-git-snapshot/s3': s3,
  'express-git-snapshot/redis': redis,
  'express-git-snapshot/testing': testing,
};

/** The pages that explain the options of an entry. */
const PAGES_OF_OPTIONS: Record<string, string[]> = {
  'express-git-snapshot': ['docs/options.md', 'docs/api.md'],
  'express-git-snapshot/client': ['docs/api.md'],
  'express-git-snapshot/store': ['docs/api.md', 'docs/writing-a-store.md'],
  'express-git-snapshot/s3': ['docs/s3.md'],
  'express-git-snapshot/redis': ['docs/api.md'],
  'express-git-snapshot/testing': ['docs/writing-a-store.md'],
};

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

test('The page of the API lists every value and type that each entry exports', async () => {
  const { rows } = await readTable('docs/api.md', 'API');
  const documented = rows.map(([entry = '', _users, values = '', types = '']) => [
    codeSpans(entry)[0],
    { values: codeSpans(values).sort(), types: codeSpans(types).sort() },
  ]);
  const actual = await Promise.all(
    Object.keys(ENTRIES).map(async (name) => [name, await exportsIn(reportOf(name))] as const),
  );
  expect(Object.fromEntries(documented)).toEqual(Object.fromEntries(actual));
});

test('The report of the API names all values of each entry', async () => {
  for (const [name, entry] of Object.entries(ENTRIES)) {
    expect((await exportsIn(reportOf(name))).values).toEqual(Object.keys(entry).sort());
  }
});

test.each(Object.entries(PAGES_OF_OPTIONS))(
  'All options of %s are on its pages',
  async (entry, pages) => {
    const texts = await Promise.all(pages.map(readPage));
    const code = texts.flatMap((text) => [
      ...codeSpans(withoutCode(text)),
      ...codeBlocks(text, ['js', 'ts']),
    ]);
    const options = (await readPage(reportOf(entry))).matchAll(OPTIONS);
    const names = Array.from(options, ([, , members = '']) => members).flatMap((members) =>
      Array.from(members.matchAll(/^ {4}(?:readonly )?(\w+)\??[:(]/gm), ([, name = '']) => name),
    );
    const isOnPage = (name: string) => code.some((text) => text.split(/\W+/).includes(name));
    expect(names.filter((name) => !isOnPage(name))).toEqual([]);
  },
);

/** In a report: the interfaces of options, with their members. */
const OPTIONS = /^export interface (\w+Options)\b[^\n]*\{\n(.*?)^\}/gms;

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

function reportOf(entry: string): string {
  return `docs/api-report/${entry.split('/')[1] ?? 'main'}.md`;
}

/** The names that a report has as exported, sorted. */
async function exportsIn(report: string): Promise<{ values: string[]; types: string[] }> {
  const code = (await readPage(report)).matchAll(
    /^export (class|const|function|interface|type) (\w+)/gm,
  );
  const kinds = new Map(Array.from(code, ([, kind, name = '']) => [name, kind]));
  const names = [...kinds.keys()].sort();
  const isType = (name: string) => /interface|type/.test(kinds.get(name) ?? '');
  return {
    values: names.filter((name) => !isType(name)),
    types: names.filter(isType),
  };
}

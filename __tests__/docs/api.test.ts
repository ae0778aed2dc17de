/**
 * @one-node-version
 */
import { ENTRIES } from './entries.js';
import { codeBlocks, codeSpans, readPage, readTable, withoutCode } from './markdown.js';

/*
 * The pages against the report of the API in `docs/api-report/`. `__tests__/package/api-report.test.ts` holds the
 * report against the declarations.
 */

/** The pages that explain the options of an entry. */
const PAGES_OF_OPTIONS: Record<string, string[]> = {
  'express-git-snapshot': ['docs/options.md', 'docs/api.md'],
  'express-git-snapshot/client': ['docs/api.md'],
  'express-git-snapshot/store': ['docs/api.md', 'docs/writing-a-store.md'],
  'express-git-snapshot/s3': ['docs/s3.md'],
  'express-git-snapshot/opentelemetry': ['docs/observability.md'],
  'express-git-snapshot/gcs': ['docs/gcs.md'],
  'express-git-snapshot/azure': ['docs/azure.md'],
  'express-git-snapshot/redis': ['docs/api.md'],
  'express-git-snapshot/status-page': ['docs/status-page.md'],
  'express-git-snapshot/testing': ['docs/writing-a-store.md'],
};

/** Types that others extend or combine, and options of errors. */
const OF_NO_USE_ALONE = [
  'About',
  'AboutArtifact',
  'ArtifactInfo',
  'BucketStoreOptions',
  'DownloadErrorOptions',
  'Failure',
  'IngestProgress',
  'JobEnd',
  'KeepReplacedOptions',
  'RedisClient',
  'SnapshotErrorOptions',
  'Success',
  'UpstreamRequest',
];

/** In a report: the interfaces of options, with their members. */
const OPTIONS = /^export interface (\w+Options)\b[^\n]*\{\n(.*?)^\}/gms;

test('The page of the API lists every value and type that each entry exports', async () => {
  const { rows } = await readTable('docs/api.md', 'API');
  const cells = new Map(rows.map(([entry = '', _users, ...names]) => [codeSpans(entry)[0], names]));
  // A cell may stand for names of another entry.
  const namesIn = (name: string, column: number): string[] =>
    codeSpans(cells.get(name)?.[column] ?? '').flatMap((span) =>
      cells.has(span) ? namesIn(span, column) : [span],
    );
  expect([...cells.keys()].sort()).toEqual(Object.keys(ENTRIES).sort());
  for (const name of Object.keys(ENTRIES)) {
    const documented = { values: namesIn(name, 0).sort(), types: namesIn(name, 1).sort() };
    expect([name, documented]).toEqual([name, await exportsIn(reportOf(name))]);
  }
});

test('The report of the API names all values of each entry', async () => {
  for (const [name, entry] of Object.entries(ENTRIES)) {
    expect((await exportsIn(reportOf(name))).values).toEqual(Object.keys(entry).sort());
  }
});

test('Users can import each type of the declarations by its name, except types of no use alone', async () => {
  const reports = await Promise.all(Object.keys(ENTRIES).map((name) => readPage(reportOf(name))));
  const namesOf = (pattern: RegExp) =>
    reports.flatMap((text) => Array.from(text.matchAll(pattern), ([, name = '']) => name));
  const exported = namesOf(/^export (?:class|interface|type) (\w+)/gm);
  const others = namesOf(/^(?:class|interface|type) (\w+)/gm);
  const hidden = new Set(others.filter((name) => !exported.includes(name)));
  expect([...hidden].sort()).toEqual(OF_NO_USE_ALONE);
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

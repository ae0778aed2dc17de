/**
 * @one-node-version
 */

import {
  type FreshnessPolicy,
  type HostConfig,
  type Limits,
  parseOptions,
  type SnapshotFormat,
  type SnapshotOptions,
} from '../../lib/config/options.js';
import { SnapshotError } from '../../lib/errors.js';
import { codeSpans, readTable } from './markdown.js';

const PAGE = 'docs/options.md';

/** The compiler holds these against the code: no name too many and none too few. */
const TOP_LEVEL: Record<keyof SnapshotOptions, true> = {
  dataDir: true,
  hosts: true,
  authorize: true,
  store: true,
  locks: true,
  limits: true,
  freshness: true,
  snapshot: true,
  logger: true,
  redirectGit: true,
  userAgent: true,
};
const HOST: Record<keyof HostConfig, true> = {
  baseUrl: true,
  publicUrl: true,
  credentials: true,
  redirectTo: true,
  caseInsensitivePaths: true,
  onlyReachableCommits: true,
  allowPrivateAddresses: true,
};

const FRESHNESS: Record<keyof FreshnessPolicy, true> = {
  mode: true,
  maxAge: true,
  checkInterval: true,
  minRebuildInterval: true,
  forgetAfter: true,
  refreshInterval: true,
  keepWarmFor: true,
};

const MINIMUM = { dataDir: 'data', hosts: { 'git.example': {} } };
const config = parseOptions(MINIMUM);

/** Those that are made where they are used, so that the configuration does not have them. */
const MADE_LATER: Record<string, string> = {
  store: '`FileSystemStore` in `dataDir`',
  locks: '`MemoryLocks`',
  baseUrl: '`https://{host}`',
  publicUrl: '`baseUrl`',
  caseInsensitivePaths: '`true` for github.com, gitlab.com, bitbucket.org and codeberg.org',
};

const UNITS: Record<string, number> = {
  ms: 1,
  s: 1000,
  min: 60_000,
  h: 3_600_000,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
};

const SECTIONS: [heading: string, names: string[], defaults: object][] = [
  ['Top level', Object.keys(TOP_LEVEL), config],
  ['hosts', Object.keys(HOST), config.hosts['git.example'] ?? {}],
  ['limits', Object.keys(config.limits satisfies Limits), config.limits],
  ['freshness', Object.keys(FRESHNESS), config.freshness],
  ['snapshot', Object.keys(config.snapshot satisfies SnapshotFormat), config.snapshot],
];

describe.each(SECTIONS)('The table of options under "%s"', (heading, names, defaults) => {
  test('lists every option', async () => {
    expect(Object.keys(await documented(heading)).sort()).toEqual(names.sort());
  });

  test('gives every default', async () => {
    for (const [name, text] of Object.entries(await documented(heading))) {
      const actual: unknown = Reflect.get(defaults, name);
      if (text === 'required') expect(() => parseOptions(without(name))).toThrow(`${name}:`);
      else if (name === 'indexThreads') expect(text).toBe('the number of processors, at most 4');
      else if (text === '`{}`') expect(actual).toEqual(expect.any(Object));
      else if (text === '`[]`') expect(actual).toEqual([]);
      else if (name in MADE_LATER) expect([text, actual]).toEqual([MADE_LATER[name], undefined]);
      else expect([name, actual]).toEqual([name, parseDefault(text)]);
    }
  });
});

test('A wrong option is refused with its name', () => {
  const wrong = { ...MINIMUM, limits: { cloneTimeout: 0 } };
  expect(() => parseOptions(wrong)).toThrow(SnapshotError);
  expect(() => parseOptions(wrong)).toThrow('limits.cloneTimeout');
});

test('The README repeats the defaults of the page of options', async () => {
  const { rows } = await readTable('README.md', 'Options');
  expect(rows.length).toBeGreaterThan(5);
  for (const [cell = '', text] of rows) {
    const [path = ''] = codeSpans(cell);
    const heading = path.includes('.') ? path.replace(/\..*/, '') : 'Top level';
    const options = await documented(heading);
    expect([path, text]).toEqual([path, options[path.replace(/.*\./, '')]]);
  }
});

/** The cells of defaults by name. */
async function documented(heading: string): Promise<Record<string, string>> {
  const { rows } = await readTable(PAGE, heading);
  return Object.fromEntries(
    rows.map(([name = '', _type, text = '']) => [codeSpans(name)[0] ?? '', text]),
  );
}

function without(name: string): SnapshotOptions {
  const options = { ...MINIMUM };
  Reflect.deleteProperty(options, name);
  return options;
}

function parseDefault(cell: string): unknown {
  if (cell === '–') return undefined;
  const [text = ''] = codeSpans(cell);
  if (text === 'true' || text === 'false') return text === 'true';
  const [, digits, unit] = /^(\d+)(?: (\w+))?$/.exec(text) ?? [];
  if (digits === undefined) return text;
  return Number(digits) * (unit === undefined ? 1 : (UNITS[unit] ?? Number.NaN));
}

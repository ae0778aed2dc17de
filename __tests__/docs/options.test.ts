/**
 * @one-node-version
 */

import { parseOptions } from '../../lib/config/options.js';
import type { SnapshotOptions } from '../../lib/config/router-options.js';
import { SnapshotError } from '../../lib/errors.js';
import { codeSpans, readTable } from './markdown.js';
import { type OptionDocs, optionDocs } from './option-docs.js';

const PAGE = 'docs/options.md';

const MINIMUM = { dataDir: 'data', hosts: { 'git.example': {} } };
const config = parseOptions(MINIMUM);

/** Those that are made where they are used, so that the configuration does not have them. */
const MADE_LATER = [
  'store',
  'locks',
  'logger',
  'baseUrl',
  'originUrl',
  'caseInsensitivePaths',
  'maxMirrorBytes',
  'maxStoreBytes',
];

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

/** Tables of the page, the interfaces with the same options, and their defaults. */
const SECTIONS: [heading: string, file: string, interfaceName: string, defaults: object][] = [
  ['The service', 'service-options', 'ServiceOptions', config],
  ['The router', 'router-options', 'RouterOptions', config],
  ['hosts', 'host-options', 'HostOptions', config.hosts['git.example'] ?? {}],
  ['freshness', 'freshness-options', 'FreshnessOptions', config.freshness],
  ['concurrency', 'work-options', 'ConcurrencyOptions', config.concurrency],
  ['timeouts', 'work-options', 'TimeoutOptions', config.timeouts],
  ['limits', 'limit-options', 'LimitOptions', config.limits],
  ['budgets', 'limit-options', 'BudgetOptions', config.budgets],
  ['snapshot', 'service-options', 'SnapshotFormatOptions', config.snapshot],
];

describe.each(SECTIONS)('The table of options under "%s"', (heading, file, name, defaults) => {
  let table: Record<string, Row>;
  let docs: OptionDocs[];

  beforeAll(async () => {
    table = await documented(heading);
    docs = await optionDocs(`lib/config/${file}.ts`, name);
  });

  test('lists every option of its interface', () => {
    expect(Object.keys(table).sort()).toEqual(docs.map((each) => each.name).sort());
  });

  test('gives every default', () => {
    for (const [option, { byDefault }] of Object.entries(table)) {
      const actual: unknown = Reflect.get(defaults, option);
      if (byDefault === 'required')
        expect(() => parseOptions(without(option))).toThrow(`${option}:`);
      else if (byDefault === '`{}`') expect(actual).toEqual(expect.any(Object));
      else if (byDefault === '`[]`') expect(actual).toEqual([]);
      else if (MADE_LATER.includes(option)) expect([option, actual]).toEqual([option, undefined]);
      else if (option !== 'indexThreads') {
        expect([option, actual]).toEqual([option, parseDefault(byDefault)]);
      }
    }
  });

  test('gives the default and the unit that the docblock of the option gives', () => {
    for (const { name: option, text, isOptional, byDefault } of docs) {
      const { type = '', byDefault: cell = '' } = table[option] ?? {};
      expect(`${option}: ${text}`).toMatch(/: [A-Zz].*\.$/s);
      const unit = /^(?:The least )?(milliseconds|bytes)\b/i.exec(text)?.[1]?.toLowerCase();
      const unitOfCell = { ms: 'milliseconds', bytes: 'bytes' }[/^\w+/.exec(type)?.[0] ?? ''];
      expect([option, unit]).toEqual([option, unitOfCell]);
      expect([option, cell === 'required']).toEqual([option, !isOptional]);
      if (cell === '–')
        expect([option, byDefault]).toEqual([option, expect.stringMatching(/^none/)]);
      else if (cell !== 'required') {
        expect([option, parseTag(byDefault)]).toEqual([option, parseDefault(cell)]);
      }
    }
  });
});

test('A wrong option is refused with its name', () => {
  const wrong = { ...MINIMUM, timeouts: { fetchTimeout: 0 } };
  expect(() => parseOptions(wrong)).toThrow(SnapshotError);
  expect(() => parseOptions(wrong)).toThrow('timeouts.fetchTimeout');
});

test('The README repeats the defaults of the page of options', async () => {
  const { rows } = await readTable('README.md', 'Options');
  expect(rows.length).toBeGreaterThan(5);
  const top = { ...(await documented('The service')), ...(await documented('The router')) };
  for (const [cell = '', text] of rows) {
    const [path = ''] = codeSpans(cell);
    const options = path.includes('.') ? await documented(path.replace(/\..*/, '')) : top;
    expect([path, text]).toEqual([path, options[path.replace(/.*\./, '')]?.byDefault]);
  }
});

interface Row {
  readonly type: string;
  readonly byDefault: string;
}

/** The cells by name of the option. */
async function documented(heading: string): Promise<Record<string, Row>> {
  const { rows } = await readTable(PAGE, heading);
  return Object.fromEntries(
    rows.map(([name = '', type = '', byDefault = '']) => [
      codeSpans(name)[0] ?? '',
      { type, byDefault },
    ]),
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
  if (cell !== `\`${text}\``) return cell;
  if (text === 'true' || text === 'false') return text === 'true';
  if (text === 'Infinity') return Number.POSITIVE_INFINITY;
  const [, digits, unit] = /^(\d+)(?: (\w+))?$/.exec(text) ?? [];
  if (digits === undefined) return text;
  return Number(digits) * (unit === undefined ? 1 : (UNITS[unit] ?? Number.NaN));
}

/** As `parseDefault`, of a docblock, where numbers are products: `16 * 1024 ** 3`. */
function parseTag(tag: string): unknown {
  if (tag === 'true' || tag === 'false') return tag === 'true';
  if (!/^[\d_ *]+$/.test(tag)) return parseDefault(tag.includes('`') ? tag : `\`${tag}\``);
  const factors = tag.replaceAll('_', '').split(/ \* /);
  return factors
    .map((factor) => factor.split(' ** ').map(Number))
    .reduce((product, [base = 1, power = 1]) => product * base ** power, 1);
}

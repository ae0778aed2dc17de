import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { evaluatePreconditions, needsSelection, select } from '../../lib/http/conditional.js';
import {
  formatHttpDate,
  parseEntityTags,
  parseHttpDate,
  parseRange,
} from '../../lib/http/header-fields.js';

const current = { etag: '"abc"', storedAt: Date.UTC(2024, 1, 29, 12, 30, 15, 678), size: 1000 };
const BEFORE = 'Thu, 29 Feb 2024 12:30:14 GMT';
const SAME = 'Thu, 29 Feb 2024 12:30:15 GMT';
const AFTER = 'Thu, 29 Feb 2024 12:30:16 GMT';

type Headers = Record<string, string>;
const kind = (headers: Headers, method = 'GET') => select({ method, headers }, current).kind;

describe('A field of 20 million characters is read in linear time, with', () => {
  const many = 2e7;
  test.each([
    ['blanks after a member', `"a",${' '.repeat(many)}x`],
    ['blanks before a comma', `"a"${'\t'.repeat(many)}x`],
    ['blanks around nothing', `${' '.repeat(many)};`],
    ['a tag without its end', `"a", "${'b'.repeat(many)}`],
    ['empty members', `${','.repeat(many)}x`],
  ])('%s', (_, field) => {
    expect(kind({ 'if-match': field })).toBe('failed');
    expect(kind({ 'if-none-match': field })).toBe('whole');
  });
});

describe('Preconditions', () => {
  test.each<[string, string]>([
    ['"abc"', 'whole'],
    ['*', 'whole'],
    ['"x", "abc"', 'whole'],
    ['"x",,\t"abc" ,', 'whole'],
    ['"a,b", "abc"', 'whole'],
    ['"x"', 'failed'],
    ['W/"abc"', 'failed'],
    ['w/"abc"', 'failed'],
    ['abc', 'failed'],
    ['"abc', 'failed'],
    ['', 'failed'],
    ['"*"', 'failed'],
    ['"x" "abc"', 'failed'],
    ['"abc", *', 'whole'],
    ['"ABC"', 'failed'],
  ])('of If-Match: %s select: %s', (value, expected) => {
    expect(kind({ 'if-match': value })).toBe(expected);
  });

  test.each<[string, string]>([
    ['"abc"', 'not-modified'],
    ['W/"abc"', 'not-modified'],
    ['*', 'not-modified'],
    ['"x", W/"abc"', 'not-modified'],
    ['"x"', 'whole'],
    ['', 'whole'],
    ['abc', 'whole'],
    ['W/abc', 'whole'],
  ])('of If-None-Match: %s select: %s', (value, expected) => {
    expect(kind({ 'if-none-match': value })).toBe(expected);
  });

  test.each<[Headers, string]>([
    [{ 'if-modified-since': SAME }, 'not-modified'],
    [{ 'if-modified-since': AFTER }, 'not-modified'],
    [{ 'if-modified-since': BEFORE }, 'whole'],
    [{ 'if-modified-since': 'Thursday, 29-Feb-24 12:30:15 GMT' }, 'not-modified'],
    [{ 'if-modified-since': 'Thu Feb 29 12:30:15 2024' }, 'not-modified'],
    [{ 'if-modified-since': '2030-01-01' }, 'whole'],
    [{ 'if-modified-since': 'Thu, 99 Feb 2024 12:30:15 GMT' }, 'whole'],
    [{ 'if-unmodified-since': SAME }, 'whole'],
    [{ 'if-unmodified-since': BEFORE }, 'failed'],
    [{ 'if-unmodified-since': 'yesterday' }, 'whole'],
    // With a tag, the date is ignored.
    [{ 'if-match': '"abc"', 'if-unmodified-since': BEFORE }, 'whole'],
    [{ 'if-none-match': '"x"', 'if-modified-since': AFTER }, 'whole'],
    [{ 'if-match': '"x"', 'if-unmodified-since': AFTER }, 'failed'],
    // In the order of RFC 9110, section 13.2.2.
    [{ 'if-match': '"x"', 'if-none-match': '"abc"' }, 'failed'],
    [{ 'if-match': '"abc"', 'if-none-match': '"abc"' }, 'not-modified'],
    [{ 'if-unmodified-since': BEFORE, 'if-none-match': '"abc"' }, 'failed'],
    [{ 'if-none-match': '"abc"', range: 'bytes=5000-' }, 'not-modified'],
    [{ 'if-match': '"x"', range: 'bytes=5000-' }, 'failed'],
    [{ 'if-match': '"abc"', range: 'bytes=5000-' }, 'unsatisfiable'],
    [{ 'if-match': '"abc"', range: 'bytes=0-1' }, 'part'],
  ])('of %j select: %s', (headers, expected) => {
    expect(kind(headers)).toBe(expected);
  });

  test('by tag apply without a modification date, and preconditions by date are ignored', () => {
    const evaluate = (headers: Headers) =>
      evaluatePreconditions({ method: 'GET', headers }, { etag: '"abc"' });
    expect(evaluate({ 'if-unmodified-since': BEFORE })).toBe('holds');
    expect(evaluate({ 'if-modified-since': AFTER })).toBe('holds');
    expect(evaluate({ 'if-none-match': '"abc"' })).toBe('not-modified');
    expect(evaluate({ 'if-match': '"x"' })).toBe('failed');
  });

  test('apply to HEAD, where Range does not', () => {
    expect(kind({ 'if-none-match': '"abc"' }, 'HEAD')).toBe('not-modified');
    expect(kind({ 'if-match': '"x"' }, 'HEAD')).toBe('failed');
    expect(kind({ range: 'bytes=0-1' }, 'HEAD')).toBe('whole');
    expect(kind({ range: 'bytes=5000-' }, 'HEAD')).toBe('whole');
  });

  test('do not include an If-Range without a Range', () => {
    expect(needsSelection({ method: 'GET', headers: { 'if-range': '"abc"' } })).toBe(false);
    expect(needsSelection({ method: 'GET', headers: { range: 'x' } })).toBe(true);
  });
});

describe('An If-Range with', () => {
  test.each<[string, string]>([
    ['"abc"', 'part'],
    [SAME, 'part'],
    ['W/"abc"', 'whole'],
    ['"x"', 'whole'],
    ['"abc", "x"', 'whole'],
    ['*', 'whole'],
    [BEFORE, 'whole'],
    [AFTER, 'whole'],
    ['nonsense', 'whole'],
    ['', 'whole'],
  ])('the value %s selects: %s', (value, expected) => {
    expect(kind({ 'if-range': value, range: 'bytes=0-1' })).toBe(expected);
  });

  test('another tag selects the whole artifact, even if the range lies outside', () => {
    expect(kind({ 'if-range': '"x"', range: 'bytes=5000-' })).toBe('whole');
    expect(kind({ 'if-range': '"abc"', range: 'bytes=5000-' })).toBe('unsatisfiable');
  });
});

describe('A range', () => {
  test.each<[string, ReturnType<typeof parseRange>]>([
    ['bytes=0-0', { start: 0, end: 0 }],
    ['bytes=0-499', { start: 0, end: 499 }],
    ['bytes=0-999', { start: 0, end: 999 }],
    ['bytes=0-1000', { start: 0, end: 999 }],
    ['bytes=0-16777215', { start: 0, end: 999 }],
    ['bytes=999-999', { start: 999, end: 999 }],
    ['bytes=500-', { start: 500, end: 999 }],
    ['bytes=-1', { start: 999, end: 999 }],
    ['bytes=-1000', { start: 0, end: 999 }],
    ['bytes=-1001', { start: 0, end: 999 }],
    ['bytes=-99999999999999999999', { start: 0, end: 999 }],
    ['bytes=007-0008', { start: 7, end: 8 }],
    ['BYTES=1-2', { start: 1, end: 2 }],
    ['bytes= 1-2 ', { start: 1, end: 2 }],
    [`bytes=1-${'9'.repeat(400)}`, { start: 1, end: 999 }],
    ['bytes=1000-', 'unsatisfiable'],
    ['bytes=1000-1000', 'unsatisfiable'],
    [`bytes=${'9'.repeat(400)}-`, 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=2-1', undefined],
    ['bytes=5000-4999', undefined],
    ['bytes=0-1,5-6', undefined],
    ['bytes=0-1,', undefined],
    ['bytes=0-1, 5000-', undefined],
    ['bytes=', undefined],
    ['bytes=-', undefined],
    ['bytes=a-b', undefined],
    ['bytes=1', undefined],
    ['bytes=1-2-3', undefined],
    ['bytes=--1', undefined],
    ['bytes=+1-2', undefined],
    ['bytes=0x1-2', undefined],
    ['bytes=1.0-2', undefined],
    ['bytes=1 - 2', undefined],
    ['bytes', undefined],
    ['bytes 0-1', undefined],
    ['lines=0-1', undefined],
    ['', undefined],
  ])('given as %s is read as %j', (field, expected) => {
    expect(parseRange(field, 1000)).toEqual(expected);
  });

  test('of an empty artifact cannot be satisfied', () => {
    expect(parseRange('bytes=0-', 0)).toBe('unsatisfiable');
    expect(parseRange('bytes=-0', 0)).toBe('unsatisfiable');
    expect(parseRange('bytes=-5', 0)).toBeUndefined();
  });

  test('selects exactly the bytes that the request means', () => {
    const position = fc.nat({ max: 40 });
    const spec = fc.oneof(
      fc.tuple(position, position).map(([a, b]) => ({ text: `${a}-${b}`, has: inside(a, b) })),
      position.map((a) => ({ text: `${a}-`, has: inside(a, Number.POSITIVE_INFINITY) })),
      position.map((n) => ({ text: `-${n}`, has: (i: number, size: number) => i >= size - n })),
    );
    fc.assert(
      fc.property(spec, fc.integer({ min: 1, max: 32 }), ({ text, has }, size) => {
        const meant = Array.from({ length: size }, (_, i) => i).filter((i) => has(i, size));
        const range = parseRange(`bytes=${text}`, size);
        if (range === undefined || range === 'unsatisfiable') expect(meant).toEqual([]);
        else expect([range.start, range.end]).toEqual([meant.at(0), meant.at(-1)]);
      }),
      { seed: 14, numRuns: 2_000 },
    );
  });
});

const inside = (first: number, last: number) => (i: number) => i >= first && i <= last;

test('Lists of entity tags of any length and content are read to their end', () => {
  const part = fc.constantFrom('"a"', 'W/"b"', ',', ' ', '"', '*', 'x', '\t', '""');
  fc.assert(
    fc.property(fc.array(part, { maxLength: 30 }), (parts) => {
      for (const { opaque } of parseEntityTags(parts.join(''))) expect(opaque).toMatch(/^".*"$/);
    }),
    { seed: 7, numRuns: 1_000 },
  );
  expect(parseEntityTags('"a",'.repeat(4_000))).toHaveLength(4_000);
});

test('HTTP-dates are written and read to the second', () => {
  expect(formatHttpDate(current.storedAt)).toBe(SAME);
  expect(parseHttpDate(SAME)).toBe(Date.UTC(2024, 1, 29, 12, 30, 15));
  expect(parseHttpDate('Sun Nov  6 08:49:37 1994')).toBe(Date.UTC(1994, 10, 6, 8, 49, 37));
  expect(parseHttpDate('Sunday, 06-Nov-94 08:49:37 GMT')).toBe(Date.UTC(1994, 10, 6, 8, 49, 37));
});

test('A date in asctime form is read as GMT in every time zone', async () => {
  const module = new URL('../../lib/http/header-fields.js', import.meta.url).href;
  const script = `import { parseHttpDate } from '${module}';
    console.log(parseHttpDate('Sun Nov  6 08:49:37 1994'));`;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '-e', script],
    { env: { TZ: 'America/New_York' } },
  );
  expect(Number(stdout)).toBe(Date.UTC(1994, 10, 6, 8, 49, 37));
});

/** @one-node-version */
import { AttributeRules } from '../../lib/checkout/attributes.js';
import { SeededRandom } from '../support/random.js';
import { cleanup } from '../support/temporary-directory.js';
import { type Case, expectAgreement } from './check-attr.js';

const { directory } = cleanup(afterEach);

const random = new SeededRandom(1);
const sequence = (parts: readonly string[], most: number) =>
  Array.from({ length: 1 + random.below(most) }, () => random.pick(parts)).join('');

const PATHS = [
  ...Array.from({ length: 60 }, () => sequence(['a', 'b', 'c', 'ab', 'a', '/'], 9)),
  ...Array.from({ length: 20 }, () => sequence(['a', 'b', '.c', '-', ']', '[', '\\', '*', '/'], 7)),
  ...[
    'a',
    'b',
    'a/b',
    'a/a/b',
    'b/a',
    'a/b/c',
    'ab/b',
    'a.c',
    'x/a.c',
    'a-b',
    'a]',
    '\xe9',
    'a/\xff',
  ],
  ...[
    ' ',
    'a b',
    '!a',
    '#a',
    '"a"',
    'A',
    'Z',
    '_',
    '5',
    '\t',
    '\n',
    '\x7f',
    '\x0b',
    '\x0c',
    '\r',
    '~',
    'a\x0bb',
    '\x80',
  ],
]
  .map((path) => path.replace(/\/+/g, '/').replace(/^\/|\/$/g, ''))
  .filter((path) => path !== '');

const WILDCARDS = ['*', '**', '/', '**/', '/**', '?', 'a', 'b', 'c', 'ab'];
const BRACKETS = ['[ab]', '[!a]', '[^/]', '[a-c]', '[c-a]', '[]]', '[]-a]', '[a-]', '[\\]]', '[a'];
const CLASSES = 'alnum alpha blank cntrl digit graph lower print punct space upper xdigit x'
  .split(' ')
  .flatMap((name) => [`[[:${name}:]]`, `[![:${name}:]]`, `a[b[:${name}:]-z]`]);
const ODD = [
  '[[:',
  '[[:]',
  '[[::]]',
  '[[:alpha]]',
  '[[:a-]',
  '\\',
  '\\*',
  '\\a',
  '\\/',
  '***',
  '[a-\\c]',
];
const PATTERNS = [
  ...Array.from({ length: 200 }, () => sequence(WILDCARDS, 7)),
  ...Array.from({ length: 100 }, () => sequence([...WILDCARDS, ...BRACKETS], 6)),
  ...Array.from({ length: 100 }, () => sequence([...WILDCARDS, ...BRACKETS, ...ODD], 6)),
  ...CLASSES,
  ...[
    '*.c',
    '.c',
    '/a',
    '/a/',
    'a/',
    '/*',
    '/**',
    '**',
    '*',
    '/',
    '//a',
    'a//b',
    'a**/b',
    '**\\/b',
    'a/**\\/b',
    'a**\\/b',
    '[^a]**\\/c',
    '\xe9',
    '[\xe0-\xff]',
  ],
];

// Every pattern gets a directory, so that each is tried with every path.
const files: Record<string, string> = {};
PATTERNS.forEach((pattern, i) => {
  files[`${i}/`] = `${pattern} text\n`;
});
const paths = PATTERNS.flatMap((_, i) => PATHS.map((path) => `${i}/${path}`));

test(`Patterns match those of ${paths.length} paths that git matches`, async () => {
  expect(await expectAgreement([{ files, paths }], await directory())).toHaveProperty('size', 2);
});

test('Patterns match in the top directory what git matches there', async () => {
  const cases = Array.from({ length: 12 }, (): Case => {
    const patterns = Array.from({ length: 40 }, () => random.pick(PATTERNS));
    const content = patterns.map((pattern, j) => `${pattern} eol=${j}\n`).join('');
    return { files: { '': content }, paths: PATHS };
  });
  expect((await expectAgreement(cases, await directory())).size).toBeGreaterThan(20);
});

test('Patterns that are made to backtrack take linear time', () => {
  const stars = Buffer.from(`${'*a'.repeat(500)}b text\n${'**/*a*/'.repeat(250)}b eol=lf\n`);
  const rules = AttributeRules.builtIn().child('', stars);
  expect(rules.lookup('a'.repeat(4000)).get('text')).toBeUndefined();
  expect(rules.lookup('aa/'.repeat(1300)).get('eol')).toBeUndefined();
  expect(rules.lookup(`${'xay/'.repeat(300)}b`).get('eol')).toBe('lf');
});

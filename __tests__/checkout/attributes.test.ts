/** @one-node-version */
import { AttributeRules } from '../../lib/checkout/attributes.js';
import { SeededRandom } from '../support/random.js';
import { cleanup } from '../support/temporary-directory.js';
import { type Case, expectAgreement, NAMES } from './check-attr.js';

const { directory } = cleanup(afterEach);

describe('Lines of .gitattributes', () => {
  const STATES = [
    ...NAMES.flatMap((name) => [
      name,
      `-${name}`,
      `!${name}`,
      `${name}=x`,
      `${name}=`,
      `-${name}=x`,
    ]),
    ...['binary', '-binary', '!binary', 'm1', '-m1', 'm2', '!m2', 'm3', 'diff', 'unknown=1'],
    ...['text=auto', 'eol=lf', 'eol=crlf', 'text=a=b'],
  ];
  const PATHS = ['a', 'b', 'a.c', 'd/a', 'd/b', 'd/e/a', 'd/e/b.c', 'f/a'];

  test('override each other as in git', async () => {
    const random = new SeededRandom(2);
    const line = (subject: string) =>
      `${subject} ${Array.from({ length: 1 + random.below(4) }, () => random.pick(STATES)).join(' ')}\n`;
    const content = (subjects: readonly string[]) =>
      Array.from({ length: 1 + random.below(6) }, () => line(random.pick(subjects))).join('');
    const subjects = ['*', 'a', '*.c', 'b', 'd/*', '[attr]m1', '[attr]m2', '[attr]m3'];
    const cases = Array.from({ length: 40 }, (): Case => {
      const files = {
        '': content([...subjects, '[attr]binary']),
        'd/': content(subjects),
        'd/e/': content(subjects),
      };
      return { files, paths: PATHS };
    });
    expect((await expectAgreement(cases, await directory())).size).toBeGreaterThan(50);
  });

  const LINES: readonly string[] = [
    '\t a\t text \t eol=crlf\r',
    '  # a text',
    '#a text',
    '\\#a text',
    'a text#eol',
    'a text # eol=lf',
    'a text -eol.x _y.9-z !q',
    'a te+xt',
    'a text eol/x',
    'a text --eol',
    'a text =x',
    'a text -',
    'a',
    '!a text',
    '\\!a text',
    '"a" text',
    '"a"text',
    '"a b"\ttext',
    '"\\141" text',
    '"\\141\\377" text',
    '"\\401" text',
    '"\\9" text',
    '"a\\tb" text',
    '"a\\\\b" text',
    '"\\"a\\"" text',
    '"\\"a\\""text',
    '"a text',
    '"a\\000b" text',
    '"!a" text',
    '"#a" text',
    '"" text',
    '"a/" text',
    '[attr] text',
    '[attr]m text\na m',
    'a m\n[attr]m text',
    '[attr]m text\n[attr]m eol=lf\na m',
    '[attr]m text\na m=1',
    '[attr]m text\na -m',
    '[attr]m m\na m',
    '[attr]m n\n[attr]n m ident\na m',
    '[attr]binary ident\na binary',
    '[attr]text eol=lf\na text',
    '"[attr] m" text\na m',
    '"[attr]m x" text\na m',
    '[attr]-m text\na m',
    '[attr]m te+xt\na m',
    'a text\0eol=lf\na -text',
    'a text\n\0a -text',
    '\xef\xbb\xbfa text',
    '\xef\xbb\xbf\na text',
    'a\xa0text',
    'a text\x0beol',
    'a text=\xff',
    `a ${'x'.repeat(2046 - 2)} text`,
    `a text ${'x'.repeat(2047 - 7)}`,
    `a text ${'x'.repeat(2048 - 7)}`,
    `a text ${'x'.repeat(2046 - 7)}\r`,
    `a text ${'x'.repeat(2047 - 7)}\r`,
    `${' '.repeat(2040)}a text`,
    `${' '.repeat(2041)}a text`,
  ];
  const NAMED = [
    'a',
    'a b',
    'a\tb',
    'a\\b',
    '"a"',
    '"a',
    '"401"',
    '"9"',
    '!a',
    '#a',
    '[attr]',
    'a\xff',
    '9',
    't',
    '1',
    'x',
  ];

  test('are read as git reads them', async () => {
    const paths = NAMED.flatMap((name) => [name, `d/${name}`]);
    const cases = LINES.map((line): Case => {
      return { files: { '': `${line}\n* ident=default\nz text\n`, 'd/': line }, paths };
    });
    await expectAgreement(cases, await directory());
  });
});

test('A directory whose rules change nothing shares the rules of its parent', () => {
  const top = AttributeRules.builtIn.child('', Buffer.from('*.png diff=lfs\n*/ text\n'));
  expect(top).toBe(AttributeRules.builtIn);
  expect(top.child('a/', undefined)).toBe(top);
  expect(top.lookup('a/b')).toBe(top.lookup('c'));
});

test('More rules than the limit are refused', () => {
  const refusal = expect.objectContaining({ code: 'LIMIT_EXCEEDED' });
  const comments = Buffer.from('# nothing\n'.repeat(500_000));
  expect(AttributeRules.builtIn.child('', comments)).toBe(AttributeRules.builtIn);
  const half = Buffer.from('a text\n'.repeat(300_000));
  const rules = AttributeRules.builtIn.child('', half);
  expect(rules.lookup('a').text).toBe(true);
  expect(() => rules.child('d/', half)).toThrow(refusal);
  const macro = Buffer.concat([comments, Buffer.from('[attr]m text')]);
  expect(() => AttributeRules.builtIn.child('', macro)).toThrow(refusal);
});

test('A .gitattributes of 100 MB is ignored, as by git', () => {
  const blob = Buffer.alloc(100 * 1024 * 1024);
  blob.write('a text\n');
  expect(AttributeRules.builtIn.child('', blob)).toBe(AttributeRules.builtIn);
});

/** @one-node-version */
import { AttributeSteps } from '../../lib/checkout/attribute-steps.js';
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
    const subjects = [
      '*',
      'a',
      '*.c',
      'b',
      'd/*',
      'd/**/a',
      'e/*.c',
      '/a',
      'e/a',
      '**/e/**',
      '[ab]*',
      '[attr]m1',
      '[attr]m2',
      '[attr]m3',
    ];
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
  const builtIn = AttributeRules.builtIn();
  const top = builtIn.child('', Buffer.from('*.png diff=lfs\n*/ text\n'));
  expect(top).toBe(builtIn);
  expect(top.child('a/', Buffer.alloc(0))).toBe(top);
  expect(top.lookup('a/b')).toBe(top.lookup('c'));
});

test('More rules than the limit are refused', () => {
  const refusal = expect.objectContaining({ code: 'LIMIT_EXCEEDED' });
  const comments = Buffer.from('# nothing\n'.repeat(500_000));
  const builtIn = AttributeRules.builtIn();
  expect(builtIn.child('', comments)).toBe(builtIn);
  const half = Buffer.from('a text\n'.repeat(300_000));
  const rules = AttributeRules.builtIn().child('', half);
  expect(rules.lookup('a').get('text')).toBe(true);
  expect(() => rules.child('d/', half)).toThrow(refusal);
  const macro = Buffer.concat([comments, Buffer.from('[attr]m text')]);
  expect(() => AttributeRules.builtIn().child('', macro)).toThrow(refusal);
});

test('A .gitattributes of 100 MB is ignored, as by git', () => {
  const blob = Buffer.alloc(100 * 1024 * 1024);
  blob.write('a text\n');
  const builtIn = AttributeRules.builtIn();
  expect(builtIn.child('', blob)).toBe(builtIn);
});

describe('With 100 nested files of 40 rules, a file is compared with few of them', () => {
  const chain = (pattern: (i: number) => string, steps: AttributeSteps) => {
    const lines = Array.from({ length: 40 }, (_, i) => `${pattern(i)} text eol=lf\n`);
    const blob = Buffer.from(lines.join(''));
    let rules = AttributeRules.builtIn(steps);
    let directory = '';
    for (let depth = 0; depth < 100; depth++) {
      rules = rules.child(directory, blob);
      directory += `directory-${depth}/`;
    }
    return { rules, directory };
  };

  test.each([
    ['extensions', (i: number) => `*.e${i}`],
    ['extensions at any depth', (i: number) => `**/x*.e${i}`],
    ['names', (i: number) => `name.${i}`],
    ['paths', (i: number) => `/sub/name.${i}`],
    ['folders', (i: number) => `/sub${i}/**`],
    ['extensions in folders', (i: number) => `sub${i}/**/*.e${i}`],
  ])('where these name %s', (_name, pattern) => {
    const steps = new AttributeSteps(Number.MAX_SAFE_INTEGER);
    const { rules, directory } = chain(pattern, steps);
    const before = steps.taken;
    for (let i = 0; i < 1000; i++) rules.lookup(`${directory}sub/${i}.e${i % 80}`);
    expect(steps.taken - before).toBeLessThan(1000 * 100 * 60);
  });
});

test('Attributes that take too many steps are refused: of reading, of matching, of macros', () => {
  const refusal = expect.objectContaining({ code: 'LIMIT_EXCEEDED' });
  const top = (text: string, steps: number) =>
    AttributeRules.builtIn(new AttributeSteps(steps)).child('', Buffer.from(text));
  expect(() => top('# nothing\n'.repeat(1000), 1000)).toThrow(refusal);
  const stars = top(`*${'a'.repeat(1000)}[b]* text\n`, 1_000_000);
  expect(() => stars.lookup('a'.repeat(4000))).toThrow(refusal);
  const sets = top(`*${'[!b-z]'.repeat(250)}[b]* text\n`, 1_000_000);
  expect(() => sets.lookup('a'.repeat(4000))).toThrow(refusal);
  const macros = Array.from({ length: 1000 }, (_, i) => `[attr]m${i} m${i + 1}\n`).join('');
  const expanding = top(`${macros}* m0\n`, 1_000_000);
  expect(() => {
    for (let i = 0; i < 1000; i++) expanding.lookup(`${i}`);
  }).toThrow(refusal);
});

/** @one-node-version */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AttributeRules, type Attributes } from '../../lib/checkout/attributes.js';
import { convertToWorkingTree, needsConversion } from '../../lib/checkout/convert.js';
import { cloneWithGit } from '../support/clone.js';
import { objectId } from '../support/object-id.js';
import { SeededRandom } from '../support/random.js';
import { RepositoryBuilder } from '../support/repository-builder.js';
import { cleanup } from '../support/temporary-directory.js';
import { type ConversionCase, checkedOutByGit } from './checked-out-by-git.js';

const { directory } = cleanup(afterEach);

const TEXT = ['', 'text', '-text', 'text=auto', 'text=input', 'text=odd', 'binary', '!text'];
const CRLF = [
  'crlf',
  '-crlf',
  'crlf=auto',
  'crlf=input',
  'text=odd crlf=auto',
  '-text crlf',
  'text=input -crlf',
];
const EOL = ['', 'eol=lf', 'eol=crlf', 'eol=odd'];
const VALUELESS = ['eol', '-eol', 'text eol', 'text=auto -eol', '-working-tree-encoding'];

const LINE_ENDS = [
  ...['', 'a', '\n', '\r', '\r\n', '\n\r', '\r\r\n', '\n\n', 'a\n', 'a\nb', 'a\r\nb\r\n', 'a\r\n'],
  ...[
    'a\r\nb\n',
    'a\nb\r\n',
    'a\rb\n',
    'a\n\r',
    'a\n\r\n',
    'a\n\x1a',
    '\x1a',
    '\n\x1a\x1a',
    'a\x1a\n',
  ],
  ...['a\0b\n', '\0', '\x7f\n', '\b\t\f\x1b\n', '\x01\n', '\x0b\n', '\xff\xfe\n', 'caf\xc3\xa9\n'],
  ...[126, 127, 128, 254, 255, 256].flatMap((n) => [
    `${'x'.repeat(n)}\x01\n`,
    `${'x'.repeat(n)}\x01\x02\n`,
    `${'x'.repeat(n)}\n\x01\x1a`,
  ]),
  // Around the size of the buffers in which git streams.
  ...[1024, 16_384].flatMap((n) => [
    `${'x'.repeat(n - 1)}\r\nx\n`,
    `${'x'.repeat(n - 1)}\r\rx\n`,
    '\n'.repeat(n),
  ]),
];

const IDENTS = [
  ...[
    '$Id$',
    '$Id$\n',
    'a $Id$ b $Id$',
    '$Id$$Id$',
    '$Id$Id$',
    '$Id$\r\n',
    '$id$',
    '$ID$',
    '$Id',
    '$',
  ],
  ...[
    '$Id:$',
    '$Id: $',
    '$Id:  $',
    '$Id:x$',
    '$Id: x $',
    '$Id: x$',
    '$Id: x y $',
    '$Id:x y$',
    '$Id:x $',
  ],
  ...[
    '$Id: x  $',
    '$Id: x',
    '$Id: x\n$',
    '$Id:\n$Id$',
    '$Id: x\t$',
    '$Id: x\ty$',
    '$Id: x\r$',
    '$Id:\tx$',
  ],
  ...[
    '$$Id$',
    '$I$Id$',
    '$$$Id$',
    '$I$$Id$',
    '$Id $Id$',
    '$Idx$Id$',
    '$Idx$Id:x$',
    '$Idx$Id: x y$',
  ],
  ...[
    '$Idx$Idy$Id:x$z',
    '$Idx $Id:x$',
    '$Id\0$Id$',
    '$Id\0\0$Id$',
    '$Id:\0$',
    '$Id: \0$',
    '$Id: x\0y z$',
  ],
  ...['$Id: \0 x$', '$Id: x \0$', '$Id', '$I', 'x$', '$Id:', '$Idx', '$Idx$', '$Idx$I', '$Id\0'],
  `${'x'.repeat(16_382)}$Id$\n`,
  `${'x'.repeat(16_380)}$Id: ${'y'.repeat(2000)}$\n`,
  `$Id: ${'y'.repeat(20_000)}$\n$Id$\n`,
  `$Id: ${'y'.repeat(20_000)}`,
];
const IDENT_PIECES = [
  '$',
  'Id',
  '$Id',
  '$Id',
  '$Id:',
  '$Id$',
  ':',
  ' ',
  '\n',
  '\r\n',
  'x',
  '\0',
  '\t',
  '$I',
];

/** With and without an attribute for which git needs the whole blob in memory. */
const WITH_IDENT = [
  ...['ident', 'ident eol=crlf', 'ident text', 'ident -text eol=crlf', 'ident text=auto eol=lf'],
  ...['ident text=auto', 'ident text=auto eol=crlf', 'ident working-tree-encoding=UTF-16LE'],
  ...['ident working-tree-encoding=utf8', 'ident working-tree-encoding=no-such-thing'],
  ...[
    'ident eol=crlf working-tree-encoding=UTF-16',
    '-ident',
    'ident=x',
    'ident working-tree-encoding=',
  ],
];

function attributesOf(attributes: string): Attributes {
  return AttributeRules.builtIn()
    .child('', Buffer.from(`* ${attributes}\n`))
    .lookup('file');
}

function convert({ attributes, blob }: ConversionCase): Buffer {
  return convertToWorkingTree(blob, attributesOf(attributes), objectId('blob', blob));
}

function combine(attributes: readonly string[], contents: readonly string[]): ConversionCase[] {
  return attributes.flatMap((line) =>
    contents.map((content) => ({ attributes: line, blob: Buffer.from(content, 'latin1') })),
  );
}

async function expectAgreement(cases: readonly ConversionCase[]): Promise<void> {
  const files = await checkedOutByGit(cases, await directory());
  cases.forEach((one, i) => {
    const ours = convert(one);
    const label = `${one.attributes} ${JSON.stringify(one.blob.toString('latin1').slice(0, 200))}`;
    expect(`${label} → ${ours.toString('latin1')}`).toBe(
      `${label} → ${files[i]?.toString('latin1')}`,
    );
    if (ours.equals(one.blob)) expect(ours).toBe(one.blob);
    else expect(needsConversion(attributesOf(one.attributes))).toBe(true);
  });
  expect(files.some((file, i) => !cases[i]?.blob.equals(file))).toBe(true);
}

describe('Files are written as by git clone', () => {
  test('with all conversions of line ends', async () => {
    const lines = [...TEXT, ...CRLF].flatMap((text) => EOL.map((eol) => `${text} ${eol}`));
    await expectAgreement(combine([...lines, ...VALUELESS], LINE_ENDS));
  });

  test('with all kinds of ident keywords', async () => {
    const random = new SeededRandom(3);
    const contents = Array.from({ length: 150 }, () =>
      Array.from({ length: 1 + random.below(12) }, () => random.pick(IDENT_PIECES)).join(''),
    );
    // In an empty keyword, git looks for a space beyond its end: there must be one before memory ends.
    const safe = [...IDENTS, ...contents].map((text) =>
      text.includes('$Id:$') ? `${text} ` : text,
    );
    await expectAgreement(combine(WITH_IDENT, safe));
  });
});

test('A .gitattributes that is a symbolic link has its target read as rules, as by git clone', async () => {
  const parent = await directory();
  const target = '* eol=crlf';
  const builder = await RepositoryBuilder.create(join(parent, 'repository'));
  const link = { mode: '120000', content: target } as const;
  builder.commit({ files: { '.gitattributes': link, a: '\n' } });
  await builder.finish();
  await cloneWithGit(builder.directory, join(parent, 'clone'));
  const rules = AttributeRules.builtIn().child('', Buffer.from(target));
  const ours = convertToWorkingTree(Buffer.from('\n'), rules.lookup('a'), '');
  expect(ours).toEqual(readFileSync(join(parent, 'clone/a')));
  expect(ours.toString()).toBe('\r\n');
});

test('A working-tree-encoding without a value is refused, as by git', async () => {
  const attributes = 'working-tree-encoding';
  const empty = { attributes, blob: Buffer.alloc(0) };
  await expect(checkedOutByGit([empty], await directory())).rejects.toThrow(
    'working-tree-encoding',
  );
  const refusal = expect.objectContaining({ code: 'REPOSITORY_INVALID' });
  expect(() => needsConversion(attributesOf(attributes))).toThrow(refusal);
  expect(() => convert(empty)).toThrow(refusal);
});

test.each([
  '',
  '-text',
  'text',
  'text=auto',
  'eol=lf',
  'filter=lfs diff=lfs merge=lfs -text',
  'binary eol=crlf',
])('Blobs with the attributes "%s" can be streamed', (attributes) =>
  expect(needsConversion(attributesOf(attributes))).toBe(false),
);

test.each([
  ['eol=crlf', '\n\n', 4],
  ['ident', '$Id$', 47],
  ['ident eol=crlf', '$Id$\n', 49],
  ['working-tree-encoding=UTF-16', 'abc', 8],
  ['working-tree-encoding=UTF-32BE', 'abc', 12],
  ['working-tree-encoding=LATIN1', 'abc', 3],
  ['working-tree-encoding=GB18030', '\x80', 4],
])('A file that becomes larger by %s is held to its limit', (attributes, content, size) => {
  const blob = Buffer.from(content);
  const oid = objectId('blob', blob);
  expect(convertToWorkingTree(blob, attributesOf(attributes), oid)).toHaveLength(size);
  expect(() => convertToWorkingTree(blob, attributesOf(attributes), oid, size - 1)).toThrow(
    expect.objectContaining({ code: 'LIMIT_EXCEEDED' }),
  );
});

test('A file with millions of ident keywords without an end takes linear time', () => {
  const pieces = ['$Id:', '$Id:\n', '$Idx', '$Id: x'];
  for (const piece of pieces) {
    const blob = Buffer.from(piece.repeat(1_000_000));
    for (const attributes of ['ident', 'ident text=auto']) {
      const file = convertToWorkingTree(blob, attributesOf(attributes), objectId('blob', blob));
      expect(file.length).toBeGreaterThan(0);
    }
  }
});

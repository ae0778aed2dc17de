/** @one-node-version */
import { CHARSETS, type Charset } from '../../lib/checkout/charsets.js';
import { encodeFromUtf8 } from '../../lib/checkout/encoding.js';
import { SeededRandom } from '../support/random.js';
import { cleanup } from '../support/temporary-directory.js';
import { checkedOutByGit } from './checked-out-by-git.js';

const { directory } = cleanup(afterEach);

type Text = readonly [encoding: string, utf8: string | Buffer];

function encode([encoding, utf8]: Text): Buffer {
  return encodeFromUtf8(Buffer.from(utf8), encoding, Number.MAX_SAFE_INTEGER);
}

/** Compares with the files that git writes. @returns in how many of them git encoded the text. */
async function expectAgreement(texts: readonly Text[]): Promise<number> {
  const cases = texts.map(([encoding, utf8]) => ({
    attributes: `working-tree-encoding=${encoding}`,
    blob: Buffer.from(utf8),
  }));
  const files = await checkedOutByGit(cases, await directory());
  texts.forEach((text, i) => {
    const label = (file: Buffer | undefined) =>
      `${text.join(' ').slice(0, 60)} ${file?.toString('hex')}`;
    expect(label(encode(text))).toBe(label(files[i]));
  });
  return files.filter((file, i) => !cases[i]?.blob.equals(file)).length;
}

function characters(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, i) => String.fromCodePoint(from + i));
}

const ALPHABETS = [...characters(1, 0x2fff), ...characters(0xf900, 0xffff)];
const TAGS = characters(0xe0020, 0xe0022);
const MANY = [...ALPHABETS, ...characters(0x3000, 0xd7ff), ...characters(0x1f600, 0x1f60f)];

interface Repertoire {
  readonly name: string;
  readonly encoded: readonly string[];
  readonly left: readonly string[];
}

/** The characters that each encoding has in this library. Only East Asian ones are tried with all characters. */
const REPERTOIRES = Array.from(new Set(CHARSETS.values()), (charset): Repertoire => {
  const name = nameOf(charset);
  const isWide = /^(?:cp9|shift|euc|gb)/.test(charset.codec);
  const encoded: string[] = [];
  const left: string[] = [];
  for (const character of isWide ? MANY : ALPHABETS) {
    if (charset.disputed?.test(character)) continue;
    const utf8 = Buffer.from(character);
    const isLeft = encodeFromUtf8(utf8, name, 100) === utf8;
    (isLeft ? left : encoded).push(character);
  }
  return { name, encoded, left };
});

function nameOf(charset: Charset): string {
  for (const [name, other] of CHARSETS) if (other === charset) return name;
  throw new RangeError('no such charset');
}

describe('Texts are encoded as by git clone', () => {
  test('with every character that can be encoded', async () => {
    const texts = REPERTOIRES.map(({ name, encoded }): Text => [name, encoded.join('')]);
    expect(await expectAgreement(texts)).toBe(texts.length);
  });

  test('with characters that cannot be encoded', async () => {
    const random = new SeededRandom(4);
    const texts = REPERTOIRES.flatMap(({ name, left }) =>
      Array.from(
        { length: Math.min(left.length, 50) },
        (): Text => [name, `a${random.pick(left)}`],
      ),
    );
    expect(texts.length).toBeGreaterThan(2000);
    expect(await expectAgreement(texts)).toBe(0);
  });

  test('under each name of their encoding', async () => {
    const texts = [...CHARSETS].flatMap(([name, charset]): Text[] => {
      const repertoire = REPERTOIRES.find((other) => CHARSETS.get(other.name) === charset);
      const text = `a${repertoire?.encoded.at(-1)}`;
      return [name, name.toLowerCase()].map((spelling) => [spelling, text]);
    });
    expect(await expectAgreement(texts)).toBe(texts.length);
  });

  test('under names that iconv does not know, and under those of UTF-8', async () => {
    const names = 'UTF-8 utf8 ASCII UTF-8-BOM CP65001 windows1252 ISO8859_1 UTF-16-LE no-such';
    const texts = names.split(' ').map((name): Text => [name, 'caf\xe9 \u20ac \ufeff']);
    expect(await expectAgreement(texts)).toBe(0);
  });

  test('with bytes that are not valid UTF-8, NULs and byte order marks', async () => {
    const contents = [
      ...[
        '',
        '\0',
        'a\0b\n',
        '\ufeffa',
        '\ufffd',
        '\ufffe',
        '\uffff',
        '\u{1f600}',
        '\u{10ffff}',
      ].map((text) => Buffer.from(text)),
      ...[
        '\xc3',
        'a\xe2\x82',
        '\xed\xa0\x80',
        '\xf4\x90\x80\x80',
        '\xc0\x80',
        '\xff\xfea',
        '\xf8\x88\x80\x80\x80',
      ].map((bytes) => Buffer.from(bytes, 'latin1')),
      ...TAGS.map((tag) => Buffer.from(`a${tag}b`)),
    ];
    const texts = REPERTOIRES.flatMap(({ name }) =>
      contents.map((content): Text => [name, content]),
    );
    expect(await expectAgreement(texts)).toBeGreaterThan(200);
  });
});

test('Encodings that git may know and this library does not are refused', () => {
  const names = [
    ...[
      'IBM-1047',
      'ibm1047',
      'CP037',
      '1047',
      'EBCDIC-US',
      'CP1255',
      'windows-1258',
      'ISO-2022-JP',
    ],
    ...[
      'UCS-2',
      'UCS-2LE',
      'UNICODE',
      'UTF-7',
      'WCHAR_T',
      'MACINTOSH',
      'KOI8-RU',
      'EUC-TW',
      'JOHAB',
    ],
    ...[
      'BIG5-HKSCS',
      'SHIFT_JISX0213',
      'EUC-JISX0213',
      'ISO_8859-1:1987',
      'ISO-IR-100',
      'CSISOLATIN1',
    ],
    ...[
      'ISO-8859-1//TRANSLIT',
      'ISO-8859-1//IGNORE',
      'ISO-10646/UCS4',
      'VISCII',
      'TCVN',
      'ARMSCII-8',
    ],
  ];
  for (const name of names) {
    expect(() => encode([name, 'a'])).toThrow(
      expect.objectContaining({ code: 'REPOSITORY_UNSUPPORTED' }),
    );
  }
});

test.each([
  ['CP932', '\ue000'],
  ['GB18030', '\u9fb4'],
  ['BIG5', '\uf6b1'],
  ['EUC-KR', '\x85'],
])('A text in %s that versions of iconv encode differently is refused', (name, text) => {
  expect(() => encode([name, text])).toThrow(
    expect.objectContaining({ code: 'REPOSITORY_UNSUPPORTED' }),
  );
});

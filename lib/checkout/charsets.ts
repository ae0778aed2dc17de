/**
 * An encoding as glibc's iconv writes it, and so a clone on Linux. iconv-lite differs only where
 * the optional fields say so.
 */
export interface Charset {
  /** iconv-lite's name. */
  readonly codec: string;
  /** For encodings of all of Unicode: the most bytes of one UTF-16 unit. */
  readonly unitBytes?: 2 | 4;
  readonly byteOrderMark?: true;
  /** Characters, by iconv-lite's bytes for them in latin1, that glibc does not write. */
  readonly lacks?: RegExp;
  /** Characters for which glibc writes other bytes than iconv-lite. */
  readonly exceptions?: ReadonlyMap<string, Buffer>;
  /** Characters whose bytes depend on the version of glibc, or are not known. */
  readonly disputed?: RegExp;
}

/** Code pages with three names each in glibc, such as `437`, `CP437` and `IBM437`. */
const IBM = [437, 850, 852, 855, 857, 858, 860, 861, 862, 863, 864, 865, 866, 869];

/** By iconv-lite's name: the names in glibc, in upper case. */
const SINGLE_BYTE: Readonly<Record<string, string>> = {
  cp737: 'CP737',
  cp775: 'CP775 IBM775',
  cp874: '874 CP874 IBM874 WINDOWS-874',
  cp1125: 'CP1125 IBM848 RUSCII',
  cp1250: 'CP1250 WINDOWS-1250 MS-EE',
  cp1251: 'CP1251 WINDOWS-1251 MS-CYRL',
  cp1252: 'CP1252 WINDOWS-1252 MS-ANSI',
  cp1253: 'CP1253 WINDOWS-1253 MS-GREEK',
  cp1254: 'CP1254 WINDOWS-1254 MS-TURK',
  cp1256: 'CP1256 WINDOWS-1256 MS-ARAB',
  cp1257: 'CP1257 WINDOWS-1257 WINBALTRIM',
  // git itself reads "latin-1" as ISO-8859-1.
  iso88591: 'ISO-8859-1 ISO8859-1 ISO88591 ISO_8859-1 8859_1 L1 LATIN1 LATIN-1 CP819 IBM819',
  iso88592: 'ISO-8859-2 ISO8859-2 ISO88592 ISO_8859-2 8859_2 L2 LATIN2 CP912 IBM912',
  iso88593: 'ISO-8859-3 ISO8859-3 ISO88593 ISO_8859-3 8859_3 L3 LATIN3',
  iso88594: 'ISO-8859-4 ISO8859-4 ISO88594 ISO_8859-4 8859_4 L4 LATIN4',
  iso88595: 'ISO-8859-5 ISO8859-5 ISO88595 ISO_8859-5 8859_5 CYRILLIC CP915 IBM915',
  iso88596: 'ISO-8859-6 ISO8859-6 ISO88596 ISO_8859-6 8859_6 ARABIC CP1089 IBM1089',
  iso88597: 'ISO-8859-7 ISO8859-7 ISO88597 ISO_8859-7 8859_7 GREEK GREEK8 CP813 IBM813',
  iso88598: 'ISO-8859-8 ISO8859-8 ISO88598 ISO_8859-8 8859_8 HEBREW CP916 IBM916',
  iso88599: 'ISO-8859-9 ISO8859-9 ISO88599 ISO_8859-9 8859_9 L5 LATIN5 CP920 IBM920',
  iso885910: 'ISO-8859-10 ISO8859-10 ISO885910 ISO_8859-10 L6 LATIN6',
  iso885911: 'ISO-8859-11 ISO8859-11 ISO885911',
  iso885913: 'ISO-8859-13 ISO8859-13 ISO885913 L7 LATIN7 BALTIC',
  iso885914: 'ISO-8859-14 ISO8859-14 ISO885914 ISO_8859-14 L8 LATIN8',
  iso885915: 'ISO-8859-15 ISO8859-15 ISO885915 ISO_8859-15 LATIN9 LATIN-9',
  iso885916: 'ISO-8859-16 ISO8859-16 ISO885916 ISO_8859-16 L10 LATIN10',
  koi8r: 'KOI8-R KOI8R',
  koi8u: 'KOI8-U KOI8U',
  tis620: 'TIS-620 TIS620 TIS620-0 TIS620.2529-1 TIS620.2533-0',
};

/** glibc follows the standards here; iconv-lite writes Microsoft's extensions of them. */
const EAST_ASIAN: Readonly<Record<string, Charset>> = {
  'GBK CP936 MS936 WINDOWS-936': { codec: 'cp936' },
  'CP949 UHC MSCP949': { codec: 'cp949' },
  'GB2312 EUC-CN EUCCN CN-GB': {
    codec: 'cp936',
    lacks:
      /^[\x80-\xa0]|^.[^\xa1-\xfe]$|^(?:\xa1[\xa4\xaa]|\xa2[\xa1-\xaa]|\xa6[\xe0-\xf5]|\xa8[\xbb-\xc0])$/s,
    exceptions: exceptions('―a1aa ・a1a4'),
  },
  'EUC-KR EUCKR': {
    codec: 'cp949',
    lacks: /^[\x81-\xa0]|^.[^\xa1-\xfe]$/s,
    exceptions: exceptions('₩a3dc ㉾a2e8'),
    disputed: /[\x80-\x9f]/,
  },
  'SHIFT_JIS SHIFT-JIS SJIS MS_KANJI': {
    codec: 'shiftjis',
    lacks: /^[\x80\x87\xfa-\xfc]|^\x81[\x60\x61\x7c]$/,
    exceptions: exceptions('¢8191 £8192 ¥5c ¬81ca ‖8161 ‾7e −817c 〜8160'),
  },
  'CP932 MS932 WINDOWS-31J SJIS-OPEN SJIS-WIN': {
    codec: 'shiftjis',
    lacks: /^\x80/,
    exceptions: exceptions('¢8191 £8192 ¥5c ¬81ca ‖8161 ‾7e −817c 〜8160 —815c'),
    disputed: /[\ue000-\uf8ff]/,
  },
  'EUC-JP EUCJP UJIS': {
    codec: 'eucjp',
    lacks: /^[\xad\xf9-\xfc]|^(?:\xa1[\xc2\xdd\xf1\xf2]|\xa2\xcc)$/,
    exceptions: exceptions('¢a1f1 £a1f2 ¥5c ¬a2cc ‖a1c2 ‾7e −a1dd 〜a1c1'),
    disputed: /[\x80-\x9f]/,
  },
  'BIG5 BIG-5 BIG-FIVE BIGFIVE CN-BIG5 CP950': {
    codec: 'cp950',
    exceptions: exceptions('十a451 卅a4ca'),
    disputed: /[\x80\ue000-\uf8ff]/,
  },
  GB18030: {
    codec: 'gb18030',
    unitBytes: 4,
    disputed: /[\u9fb4-\u9fbb\ue000-\uf8ff\ufe10-\ufe19𠂇𠂉𠃌𡗗𢦏𤇾]/u,
  },
};

/** git adds the names with `-BOM`. glibc writes a mark for names without a byte order. */
const UNICODE: Readonly<Record<string, Charset>> = {
  'UTF-16 UTF16 UTF-16LE-BOM UTF16LE-BOM': { codec: 'utf16le', unitBytes: 2, byteOrderMark: true },
  'UTF-16BE-BOM UTF16BE-BOM': { codec: 'utf16be', unitBytes: 2, byteOrderMark: true },
  'UTF-16LE UTF16LE': { codec: 'utf16le', unitBytes: 2 },
  'UTF-16BE UTF16BE': { codec: 'utf16be', unitBytes: 2 },
  'UTF-32 UTF32': { codec: 'utf32le', unitBytes: 4, byteOrderMark: true },
  'UTF-32LE UTF32LE': { codec: 'utf32le', unitBytes: 4 },
  'UTF-32BE UTF32BE': { codec: 'utf32be', unitBytes: 4 },
};

/** By each name in glibc, in upper case. */
export const CHARSETS: ReadonlyMap<string, Charset> = new Map([
  ...IBM.flatMap((page) => byName(`${page} CP${page} IBM${page}`, { codec: `cp${page}` })),
  ...Object.entries(SINGLE_BYTE).flatMap(([codec, names]) => byName(names, { codec })),
  ...Object.entries({ ...EAST_ASIAN, ...UNICODE }).flatMap(([names, charset]) =>
    byName(names, charset),
  ),
]);

function byName(names: string, charset: Charset): [string, Charset][] {
  return names.split(' ').map((name) => [name, charset]);
}

/** @param list of characters, each with its bytes in hex. */
function exceptions(list: string): ReadonlyMap<string, Buffer> {
  const items = list.split(' ');
  return new Map(items.map((item) => [item.charAt(0), Buffer.from(item.slice(1), 'hex')]));
}

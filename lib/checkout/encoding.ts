import { constants, isUtf8 } from 'node:buffer';
import { createRequire } from 'node:module';
import { SnapshotError } from '../errors.js';
import { CHARSETS, type Charset } from './charsets.js';
import { checkConvertedSize } from './replace-ranges.js';

const require = createRequire(import.meta.url);

/** Loaded when a file needs it: few repositories have such a file, and each thread would load it at its start. */
const iconv = (): typeof import('iconv-lite') => require('iconv-lite');

/** glibc drops these characters when the encoding lacks them. */
const TAGS = /[\u{e0000}-\u{e007f}]/gu;

/** Names of encodings that glibc has, but iconv-lite lacks or writes differently. */
const UNAVAILABLE = new RegExp(
  [
    '/', // with a suffix, such as //TRANSLIT
    '^(?:CP|IBM-?)?(?:\\d{3,4}|10007|12712|16804)(?:V1|NAV)?$',
    '^(?:CP-|CPIBM|CS|OSF\\d|EBCDIC|E13B|MS-?MAC|MS-HEBR|WINDOWS-125[58]$)',
    '^ISO(?:-?2022|-?646|-?IR-|-?10646|-?11548|_[1-79]|[-_]?8859-?\\d+[:E]|-CELTIC|6937)',
    '^(?:10646-1|UCS-?[24]|UNICODE(?:BIG|LITTLE)?$|UTF-?7|WCHAR_T)',
    '^(?:BIG5-?HKSCS|EUC-?JISX|EUC-?JP-|EUC-?TW|GB13000|JOHAB|MSCP1361|SHIFT_?JISX)',
    '^(?:ARMSCII|ASMO|BRF|DEC|ECMA|ELOT|GEORGIAN|HP|INIS|ISIRI|KOI-|KOI8|MAC|MIK$|PT154$|R[89]$)',
    '^(?:RK1048|ROMAN[89]$|STRK1048|T\\.61|TCVN|TSCII|VISCII|WIN-?SAMI)',
  ].join('|'),
);

/**
 * The attribute `working-tree-encoding`: encodes UTF-8 as git does on Linux, with glibc's iconv. If
 * git can't encode a text, or does not know the encoding, it leaves the text as it is.
 *
 * @param encoding the attribute's value.
 * @param maxBytes of the result.
 * @returns the same buffer when git leaves the text as it is, and for a few national 7-bit sets.
 * @throws SnapshotError `REPOSITORY_UNSUPPORTED` for other text that only glibc can encode;
 * `LIMIT_EXCEEDED`.
 */
export function encodeFromUtf8(blob: Buffer, encoding: string, maxBytes: number): Buffer {
  const name = encoding.toUpperCase();
  const charset = CHARSETS.get(name);
  if (charset === undefined) {
    if (UNAVAILABLE.test(name)) throw unsupported(`working-tree-encoding=${encoding}`);
    return blob;
  }
  if (blob.length === 0 || !isUtf8(blob)) return blob;
  checkConvertedSize(blob.length, Math.min(maxBytes, constants.MAX_STRING_LENGTH));
  const text = blob.toString('utf8');
  if (charset.disputed?.test(text)) throw unsupported(`characters in ${encoding}`);
  if (charset.unitBytes === undefined) return writeByTable(text, charset, maxBytes) ?? blob;
  const addBOM = charset.byteOrderMark === true;
  checkConvertedSize((text.length + (addBOM ? 1 : 0)) * charset.unitBytes, maxBytes);
  return iconv().encode(text, charset.codec, { addBOM });
}

function writeByTable(text: string, charset: Charset, maxBytes: number): Buffer | undefined {
  const characters = text.replace(TAGS, '');
  const table = new Map<string, Buffer>();
  let size = 0;
  for (const character of characters) {
    let bytes = table.get(character);
    if (bytes === undefined) {
      bytes = writeCharacter(character, charset);
      if (bytes === undefined) return undefined;
      table.set(character, bytes);
    }
    size += bytes.length;
  }
  checkConvertedSize(size, maxBytes);
  const output = Buffer.allocUnsafe(size);
  let length = 0;
  for (const character of characters) {
    const bytes = table.get(character);
    if (bytes !== undefined) length += bytes.copy(output, length);
  }
  return output;
}

function writeCharacter(character: string, charset: Charset): Buffer | undefined {
  const exception = charset.exceptions?.get(character);
  if (exception !== undefined) return exception;
  const bytes = iconv().encode(character, charset.codec);
  // iconv-lite writes `?` for characters that it can't encode, and any byte for U+FFFD.
  const isWritten = character !== '\ufffd' && iconv().decode(bytes, charset.codec) === character;
  return isWritten && !charset.lacks?.test(bytes.toString('latin1')) ? bytes : undefined;
}

function unsupported(what: string): SnapshotError {
  return new SnapshotError('REPOSITORY_UNSUPPORTED', `can't encode ${what} as glibc does`);
}

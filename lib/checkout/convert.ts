import { SnapshotError } from '../errors.js';
import type { AttributeValue } from './attribute-file.js';
import type { Attributes } from './attributes.js';
import { encodeFromUtf8 } from './encoding.js';
import { keywordsInMemory, keywordsInStream } from './ident.js';
import { type Range, replaceRanges } from './replace-ranges.js';

/*
 * Converts blobs to files, as `git checkout` on Linux does with git's default config (convert.c):
 * line ends become CR LF only with `eol=crlf`. `filter` does nothing, because only a user's config
 * defines filters: LFS pointers stay pointers.
 */

const LF = 0x0a;
const CR = 0x0d;
const SUBSTITUTE = 0x1a;
const DELETE = 0x7f;

/** Backspace, tab, form feed and escape. */
const TEXT_CONTROLS = new Set([0x08, 0x09, 0x0c, 0x1b]);

/** Whether a blob with these attributes may differ from its file. */
export function needsConversion(attributes: Attributes): boolean {
  if (attributes.get('ident') === true || endsWithCrlf(attributes)) return true;
  return encodingOf(attributes) !== undefined;
}

/**
 * @param oid of the blob, 40 hex digits.
 * @param maxBytes of the file and of every step on the way.
 * @returns the bytes of the file: the same buffer when nothing changes.
 * @throws SnapshotError `REPOSITORY_INVALID` for attributes with which git's checkout fails,
 * `REPOSITORY_UNSUPPORTED` for encodings that are not available here, `LIMIT_EXCEEDED`.
 */
export function convertToWorkingTree(
  blob: Buffer,
  attributes: Attributes,
  oid: string,
  maxBytes: number = Number.MAX_SAFE_INTEGER,
): Buffer {
  const encoding = encodingOf(attributes);
  const isAuto = textOf(attributes) === 'auto';
  let file = blob;
  if (attributes.get('ident') === true) {
    const inMemory = encoding !== undefined || (isAuto && attributes.get('eol') !== 'lf');
    const find = inMemory ? keywordsInMemory : keywordsInStream;
    file = replaceRanges(file, find, Buffer.from(`$Id: ${oid} $`), maxBytes);
  }
  if (endsWithCrlf(attributes) && (!isAuto || isConvertibleText(file))) {
    file = replaceRanges(file, bareLineFeeds, Buffer.from('\r'), maxBytes);
  }
  return encoding === undefined ? file : encodeFromUtf8(file, encoding, maxBytes);
}

function endsWithCrlf(attributes: Attributes): boolean {
  return attributes.get('eol') === 'crlf' && textOf(attributes) !== false;
}

/** From `text` or its old name `crlf` (git < 1.7.2). If `undefined`, `eol` implies text. */
function textOf(attributes: Attributes): true | false | 'auto' | undefined {
  return textValue(attributes.get('text')) ?? textValue(attributes.get('crlf'));
}

function textValue(value: AttributeValue): true | false | 'auto' | undefined {
  if (value === 'input') return true;
  return typeof value === 'boolean' || value === 'auto' ? value : undefined;
}

/** The encoding, unless it is UTF-8, git's own. */
function encodingOf(attributes: Attributes): string | undefined {
  const value = attributes.get('working-tree-encoding');
  if (value === true) {
    throw new SnapshotError(
      'REPOSITORY_INVALID',
      'working-tree-encoding is set without a value, with which git checks out nothing',
    );
  }
  return value === undefined || value === false || /^(?:|utf-?8)$/i.test(value) ? undefined : value;
}

/** Before each line feed without a CR: git inserts one there (convert.c, `crlf_to_worktree`). */
function* bareLineFeeds(blob: Buffer): Generator<Range> {
  for (let at = blob.indexOf(LF); at >= 0; at = blob.indexOf(LF, at + 1)) {
    if (blob[at - 1] !== CR) yield { start: at, end: at };
  }
}

/** For `text=auto` (convert.c, `will_convert_lf_to_crlf` and `convert_is_binary`). */
function isConvertibleText(blob: Buffer): boolean {
  if (blob.includes(CR) || blob.includes(0)) return false;
  let lines = 0;
  let unprintable = 0;
  for (const byte of blob) {
    if (byte === LF) lines += 1;
    else if (byte === DELETE || (byte < 0x20 && !TEXT_CONTROLS.has(byte))) unprintable += 1;
  }
  const printable = blob.length - lines - unprintable;
  if (blob.at(-1) === SUBSTITUTE) unprintable -= 1; // the end of a text in DOS
  return Math.floor(printable / 128) >= unprintable;
}

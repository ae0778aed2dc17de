import { SnapshotError } from '../errors.js';
import type { AttributeValue } from './attribute-file.js';
import type { ConversionAttributes } from './attributes.js';
import { encodeFromUtf8 } from './encoding.js';
import { isConvertibleText, toCrlf } from './eol.js';
import { expandIdent, keywordsInMemory, keywordsInStream } from './ident.js';

/*
 * Converts blobs to files, as `git checkout` on Linux does with git's default config (convert.c):
 * line ends become CR LF only with `eol=crlf`. The attribute `filter` names programs that only a
 * user's config defines, so it does nothing; LFS pointers stay pointers.
 */

/** Whether a blob with these attributes may differ from its file. If not, it can be streamed. */
export function needsConversion(attributes: ConversionAttributes): boolean {
  return (
    attributes.ident === true || endsWithCrlf(attributes) || encodingOf(attributes) !== undefined
  );
}

/**
 * The bytes of the file that git checks out for a blob.
 *
 * @param oid of the blob, 40 hex digits.
 * @param maxBytes of the file and of every step on the way.
 * @returns the same buffer when nothing changes.
 * @throws SnapshotError `REPOSITORY_INVALID` for attributes with which git's checkout fails,
 * `REPOSITORY_UNSUPPORTED` for encodings that are not available here, `LIMIT_EXCEEDED`.
 */
export function convertToWorkingTree(
  blob: Buffer,
  attributes: ConversionAttributes,
  oid: string,
  maxBytes: number = Number.MAX_SAFE_INTEGER,
): Buffer {
  const encoding = encodingOf(attributes);
  const isAuto = textOf(attributes) === 'auto';
  let file = blob;
  if (attributes.ident === true) {
    const inMemory = encoding !== undefined || (isAuto && attributes.eol !== 'lf');
    const find = inMemory ? keywordsInMemory : keywordsInStream;
    file = expandIdent(file, oid, find, maxBytes);
  }
  if (endsWithCrlf(attributes) && (!isAuto || isConvertibleText(file))) {
    file = toCrlf(file, maxBytes);
  }
  return encoding === undefined ? file : encodeFromUtf8(file, encoding, maxBytes);
}

function endsWithCrlf(attributes: ConversionAttributes): boolean {
  return attributes.eol === 'crlf' && textOf(attributes) !== false;
}

/** `undefined` without `text` and `crlf`; `eol` then implies text. */
function textOf({ text, crlf }: ConversionAttributes): true | false | 'auto' | undefined {
  return textValue(text) ?? textValue(crlf);
}

function textValue(value: AttributeValue): true | false | 'auto' | undefined {
  if (value === 'input') return true;
  return typeof value === 'boolean' || value === 'auto' ? value : undefined;
}

/** The encoding, unless it is UTF-8, git's own. */
function encodingOf({ workingTreeEncoding: value }: ConversionAttributes): string | undefined {
  if (value === true) {
    throw new SnapshotError(
      'REPOSITORY_INVALID',
      'working-tree-encoding is set without a value, with which git checks out nothing',
    );
  }
  return value === undefined || value === false || /^(?:|utf-?8)$/i.test(value) ? undefined : value;
}

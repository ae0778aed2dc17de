import { limitExceeded } from '../errors.js';

/** The bytes `[start, end)` of a blob. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/**
 * @param find yields the ranges in their order. It is called twice: all ranges could take many
 * times the memory of the blob.
 * @param maxBytes of the result: attributes can make a blob large, `ident` twelve times.
 * @returns the same buffer when there are no ranges.
 * @throws SnapshotError `LIMIT_EXCEEDED`
 */
export function replaceRanges(
  blob: Buffer,
  find: (blob: Buffer) => Iterable<Range>,
  replacement: Buffer,
  maxBytes: number,
): Buffer {
  let size = blob.length;
  let count = 0;
  for (const { start, end } of find(blob)) {
    size += replacement.length - (end - start);
    count += 1;
  }
  if (count === 0) return blob;
  checkConvertedSize(size, maxBytes);
  const output = Buffer.allocUnsafe(size);
  let length = 0;
  let copied = 0;
  for (const { start, end } of find(blob)) {
    length += blob.copy(output, length, copied, start);
    for (const byte of replacement) output[length++] = byte;
    copied = end;
  }
  blob.copy(output, length, copied);
  return output;
}

/** Call it before memory is taken. @throws SnapshotError `LIMIT_EXCEEDED` */
export function checkConvertedSize(bytes: number, maxBytes: number): void {
  if (bytes <= maxBytes) return;
  const message = `a file of ${bytes} bytes after conversion is larger than ${maxBytes}`;
  throw limitExceeded('maxObjectBytesInMemory', message);
}

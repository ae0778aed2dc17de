import type { ByteRange } from '../stores/store.js';

/** One int-range or suffix-range (RFC 9110, section 14.1.2); unit names know no case. */
const SINGLE_RANGE = /^bytes=[\t ]*(?:(\d+)-(\d*)|-(\d+))[\t ]*$/i;

/**
 * Reads a `Range` field for a representation of `size` bytes. `undefined` means that the field is to
 * be ignored: another unit, malformed (`5-3` is), or several ranges, which a server need not support
 * and which would turn the answer into a multipart body.
 */
export function parseRange(field: string, size: number): ByteRange | 'unsatisfiable' | undefined {
  const match = SINGLE_RANGE.exec(field);
  if (match === null) return undefined;
  const [, first, last, suffix] = match;
  if (suffix !== undefined) {
    const length = Number(suffix);
    if (length === 0) return 'unsatisfiable';
    // No 206 can describe a part of an empty representation.
    return size === 0 ? undefined : { start: Math.max(0, size - length), end: size - 1 };
  }
  const start = Number(first);
  const end = last === '' ? Number.POSITIVE_INFINITY : Number(last);
  if (start > end) return undefined;
  return start >= size ? 'unsatisfiable' : { start, end: Math.min(end, size - 1) };
}

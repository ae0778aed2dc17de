import type { ByteRange } from './store.js';

/** Bytes from `start` up to, not including, `stop`. */
export interface Slice {
  readonly start: number;
  readonly stop: number;
}

/**
 * The bytes of an object that a range selects. Default: all.
 *
 * @throws RangeError if the range does not lie within the object. The range is not clamped: callers
 *   apply HTTP's rules before they call `open`, so such a range is their mistake.
 */
export function sliceOf(range: ByteRange | undefined, size: number): Slice {
  if (range === undefined) return { start: 0, stop: size };
  const { start, end } = range;
  const integers = Number.isInteger(start) && Number.isInteger(end);
  if (!integers || start < 0 || end < start || end >= size) {
    throw new RangeError(`range ${start}-${end} lies outside an object of ${size} bytes`);
  }
  return { start, stop: end + 1 };
}

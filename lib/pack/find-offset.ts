import { offsetAt } from './elements.js';

/**
 * The position of an offset in an ascending list; `undefined` when the list does not have it. The
 * base of a delta is usually near, so the search begins at the end, in steps that double.
 *
 * @param end the search covers the positions before this one.
 */
export function findOffset(offsets: Float64Array, offset: number, end: number): number | undefined {
  let high = end - 1;
  let low = Math.max(0, high);
  for (let step = 1; low > 0 && offsetAt(offsets, low) > offset; step *= 2) {
    high = low - 1;
    low = Math.max(0, low - step);
  }
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const found = offsetAt(offsets, middle);
    if (found === offset) return middle;
    if (found < offset) low = middle + 1;
    else high = middle - 1;
  }
  return undefined;
}

/**
 * The position of an offset in an ascending list; `undefined` when it is not there. Bases of deltas are near,
 * as a rule: the search begins at the end, in steps that double.
 *
 * @param end only positions before this are looked at.
 */
export function findOffset(offsets: Float64Array, offset: number, end: number): number | undefined {
  let high = end - 1;
  let low = high;
  for (let step = 1; low > 0 && (offsets[low] ?? 0) > offset; step *= 2) {
    high = low - 1;
    low = Math.max(0, low - step);
  }
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const found = offsets[middle] ?? 0;
    if (found === offset) return middle;
    if (found < offset) low = middle + 1;
    else high = middle - 1;
  }
  return undefined;
}

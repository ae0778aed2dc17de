/** The first position in `[low, high)` that is not before the one sought; else `high`. */
export function binarySearch(
  low: number,
  high: number,
  isBefore: (position: number) => boolean,
): number {
  let start = low;
  let end = high;
  while (start < end) {
    const middle = (start + end) >>> 1;
    if (isBefore(middle)) start = middle + 1;
    else end = middle;
  }
  return start;
}

/*
 * Reads typed arrays in the loops that run for each byte or object of a pack.
 *
 * To the compiler any element may be missing. None is missing here, so the 0 is never used:
 * - Bytes: a position is compared with the end of its data before the byte is read. The exception
 *   is `applyDelta`: it reads cut instructions as 0, and checks their end right afterwards.
 * - Columns of `ObjectTable`: it gives out indexes only of elements that it has allocated. `bases`
 *   also holds negative numbers, which callers tell apart first.
 * - Tables by digit, bucket or hash: the index is masked to the size of the table, a power of two.
 * - Lists of a pack's entries, and bits of an `ObjectSet`: they have room for all entries of the
 *   idx, or all numbers of the reader.
 * - Rings: positions are taken modulo their capacity.
 *
 * Each type of array has its own function: V8 makes fast code of a read that meets few types.
 */

export function byteAt(bytes: Uint8Array, index: number): number {
  return bytes[index] ?? 0;
}

export function wordAt(words: Uint32Array, index: number): number {
  return words[index] ?? 0;
}

export function indexAt(indexes: Int32Array, index: number): number {
  return indexes[index] ?? 0;
}

export function offsetAt(offsets: Float64Array, index: number): number {
  return offsets[index] ?? 0;
}

/** Searches ascending `offsets[0, end)` from the end: the bases of deltas are usually near. */
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

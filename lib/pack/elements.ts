/*
 * Reading typed arrays in the loops that run for each byte or object of a pack.
 *
 * To the compiler any element may be missing. None is missing here, so the 0 is never used:
 * - Bytes: a position is compared with the end of its data before the byte is read. The one
 *   exception is `applyDelta`: the bytes of an instruction that is cut count as 0, and its end is
 *   checked right afterwards.
 * - Columns of `ObjectTable`: it gives out the indexes of objects, for which it has allocated
 *   elements; `offsets` has one more. `bases` holds such indexes, or negative numbers, which
 *   callers tell apart first.
 * - Tables by digit, bucket or hash: the index is masked to the size of the table, a power of two.
 * - Lists of a pack's entries, and bits of an `ObjectSet`: allocated for the `count` of the idx, or
 *   the `objectCount` of the reader, below which all positions and numbers are.
 * - Rings: positions are taken modulo their capacity.
 *
 * Each type of array has a function of its own: V8 makes fast code of a read that meets few types.
 */

export function byteAt(bytes: Uint8Array, index: number): number {
  return bytes[index] ?? 0;
}

/** An unsigned number of 32 bits. */
export function wordAt(words: Uint32Array, index: number): number {
  return words[index] ?? 0;
}

/** The index of an object, or a negative number that stands for none. */
export function indexAt(indexes: Int32Array, index: number): number {
  return indexes[index] ?? 0;
}

/** A position in a file, or a place in a ring. */
export function offsetAt(offsets: Float64Array, index: number): number {
  return offsets[index] ?? 0;
}

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

import { offsetAt, wordAt } from './elements.js';
import { findOffset } from './find-offset.js';
import type { OpenPack } from './pack-list.js';

const DIGIT_BITS = 16;
const DIGITS = 2 ** DIGIT_BITS;
/** Offsets are smaller than 2^48. */
const PASSES = 3;

/**
 * The entries of a pack, in the order of the pack. Memory: 12 bytes an object; twice that while
 * sorting.
 */
export class EntryOrder {
  /** The position in the idx of each entry. */
  readonly positions: Uint32Array;
  /** Where each entry begins, and at last where the last entry ends. */
  readonly offsets: Float64Array;

  constructor({ idx, pack }: OpenPack) {
    const { count } = idx;
    let positions = new Uint32Array(count);
    let offsets = new Float64Array(count + 1);
    offsets.set(idx.offsets());
    for (let i = 0; i < count; i++) positions[i] = i;
    let sortedPositions = new Uint32Array(count);
    let sortedOffsets = new Float64Array(count + 1);
    // A radix sort: a stable sort by each digit, from the last to the first.
    for (let pass = 0; pass < PASSES; pass++) {
      const scale = DIGITS ** pass;
      if (pass > 0 && pack.end < scale) break;
      const ends = countDigits(offsets, count, scale);
      for (let i = count - 1; i >= 0; i--) {
        const offset = offsetAt(offsets, i);
        const digit = Math.floor(offset / scale) % DIGITS;
        const to = wordAt(ends, digit) - 1;
        ends[digit] = to;
        sortedOffsets[to] = offset;
        sortedPositions[to] = wordAt(positions, i);
      }
      [positions, sortedPositions] = [sortedPositions, positions];
      [offsets, sortedOffsets] = [sortedOffsets, offsets];
    }
    offsets[count] = pack.end;
    this.positions = positions;
    this.offsets = offsets;
  }

  /**
   * The entry that begins at an offset. Searches backwards from the entry `before`, as bases are
   * near.
   */
  indexOf(offset: number, before: number): number | undefined {
    return findOffset(this.offsets, offset, before);
  }
}

/** For each digit, how many offsets have this or a lower digit. */
function countDigits(offsets: Float64Array, count: number, scale: number): Uint32Array {
  const ends = new Uint32Array(DIGITS);
  for (let i = 0; i < count; i++) {
    const digit = Math.floor(offsetAt(offsets, i) / scale) % DIGITS;
    ends[digit] = wordAt(ends, digit) + 1;
  }
  for (let digit = 1, sum = wordAt(ends, 0); digit < DIGITS; digit++) {
    sum += wordAt(ends, digit);
    ends[digit] = sum;
  }
  return ends;
}

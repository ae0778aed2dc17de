import { offsetAt, wordAt } from './elements.js';
import type { ObjectSet } from './object-set.js';
import { type PackList, placeOf } from './pack-list.js';

const DIGIT_BITS = 16;
const DIGITS = 2 ** DIGIT_BITS;

/** Offsets or places in ascending order, each with its position before. */
export interface SortedOffsets {
  readonly offsets: Float64Array;
  readonly positions: Uint32Array;
}

/** Numbers in the order of the packs, in which reads take far less time. Memory: 36 bytes each. */
export function inPackOrder(packs: PackList, objects: ObjectSet): Uint32Array {
  const numbers = Uint32Array.from(objects);
  const places = new Float64Array(numbers.length);
  for (const [i, number] of numbers.entries()) {
    const { packNumber, offset } = packs.entryOf(number);
    places[i] = placeOf(packNumber, offset);
  }
  return sortOffsets(places).positions.map((position) => wordAt(numbers, position));
}

/** A radix sort. Memory: 12 bytes an offset; twice that while sorting. */
export function sortOffsets(unsorted: Float64Array): SortedOffsets {
  const count = unsorted.length;
  let offsets = Float64Array.from(unsorted);
  let positions = new Uint32Array(count);
  let sortedOffsets = new Float64Array(count);
  let sortedPositions = new Uint32Array(count);
  let largest = 0;
  for (let i = 0; i < count; i++) {
    positions[i] = i;
    largest = Math.max(largest, offsetAt(offsets, i));
  }
  for (let scale = 1; scale <= largest; scale *= DIGITS) {
    const ends = countDigits(offsets, scale);
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
  return { offsets, positions };
}

/** For each digit, how many offsets have this or a lower digit. */
function countDigits(offsets: Float64Array, scale: number): Uint32Array {
  const ends = new Uint32Array(DIGITS);
  for (let i = 0; i < offsets.length; i++) {
    const digit = Math.floor(offsetAt(offsets, i) / scale) % DIGITS;
    ends[digit] = wordAt(ends, digit) + 1;
  }
  for (let digit = 1, sum = wordAt(ends, 0); digit < DIGITS; digit++) {
    sum += wordAt(ends, digit);
    ends[digit] = sum;
  }
  return ends;
}

import { bits, count, input, inputEnd, MARGIN, resume } from './bits';
import { END, EXCEPTION, LITERAL, longEntry } from './code';
import { DISTANCE_CODE, DISTANCE_ENTRIES, LITERAL_CODE, LITERAL_ENTRIES, OUT } from './memory';

/*
 * The inner loop of inflating. As in libdeflate, it looks up the next symbol before it handles the
 * last one, and checks the ends of input and output once in a round, which writes at most 276
 * bytes. `refill` of `bits.ts` is written out, as no function could change three variables.
 */

/** Inflates a block's symbols (RFC 1951, 3.2.3). @returns where the result ends; 0 if invalid. */
export function inflateBlock(
  start: usize,
  limit: usize,
  literals: usize,
  literalBits: u32,
  distances: usize,
  distanceBits: u32,
): usize {
  const literalMask: u64 = ((<u64>1) << (<u64>literalBits)) - 1;
  const distanceMask: u64 = ((<u64>1) << (<u64>distanceBits)) - 1;
  const stop = inputEnd + MARGIN;
  let to = start;
  let at = input;
  let b = bits;
  let n = count;
  let ended = false;
  b |= load<u64>(at) << n;
  at += <usize>((63 - n) >> 3);
  n |= 56;
  let entry = load<u32>(literals + ((<usize>(b & literalMask)) << 2));
  while (at <= stop && to <= limit) {
    // 56 bits: three literals of 10, or two, a length of 10 + 5 and a distance of 8 + 13.
    let before = b;
    b >>= <u64>(entry & 63);
    n -= <u64>(entry & 63);
    if (entry & LITERAL) {
      store<u8>(to++, <u8>(entry >> 16));
      entry = load<u32>(literals + ((<usize>(b & literalMask)) << 2));
      before = b;
      b >>= <u64>(entry & 63);
      n -= <u64>(entry & 63);
      if (entry & LITERAL) {
        store<u8>(to++, <u8>(entry >> 16));
        entry = load<u32>(literals + ((<usize>(b & literalMask)) << 2));
        before = b;
        b >>= <u64>(entry & 63);
        n -= <u64>(entry & 63);
      }
    }
    if (entry === EXCEPTION) {
      b |= load<u64>(at) << n;
      at += <usize>((63 - n) >> 3);
      n |= 56;
      before = b;
      entry = longEntry(LITERAL_CODE, LITERAL_ENTRIES, literalBits, <u32>b);
      b >>= <u64>(entry & 63);
      n -= <u64>(entry & 63);
    }
    if (entry & LITERAL) {
      store<u8>(to++, <u8>(entry >> 16));
      b |= load<u64>(at) << n;
      at += <usize>((63 - n) >> 3);
      n |= 56;
      entry = load<u32>(literals + ((<usize>(b & literalMask)) << 2));
      continue;
    }
    if (entry & EXCEPTION) {
      ended = (entry & END) !== 0;
      break;
    }
    const length: usize =
      (entry >> 16) +
      <u32>((before & (((<u64>1) << (<u64>(entry & 63))) - 1)) >> <u64>((entry >> 8) & 15));
    entry = load<u32>(distances + ((<usize>(b & distanceMask)) << 2));
    if (entry & EXCEPTION) {
      if (entry !== EXCEPTION) break;
      b |= load<u64>(at) << n;
      at += <usize>((63 - n) >> 3);
      n |= 56;
      entry = longEntry(DISTANCE_CODE, DISTANCE_ENTRIES, distanceBits, <u32>b);
      if (entry & EXCEPTION) break;
    }
    const distance: usize =
      (entry >> 16) +
      <u32>((b & (((<u64>1) << (<u64>(entry & 63))) - 1)) >> <u64>((entry >> 8) & 15));
    b >>= <u64>(entry & 63);
    n -= <u64>(entry & 63);
    if (distance > to - OUT) break;
    b |= load<u64>(at) << n;
    at += <usize>((63 - n) >> 3);
    n |= 56;
    entry = load<u32>(literals + ((<usize>(b & literalMask)) << 2));
    copy(to, distance, to + length);
    to += length;
  }
  resume(at, b, n);
  return ended && to <= limit ? to : 0;
}

/** Repeats the bytes `distance` before. May write up to 15 bytes too far. */
function copy(start: usize, distance: usize, end: usize): void {
  let to = start;
  let from = to - distance;
  if (distance >= 16) {
    do {
      v128.store(to, v128.load(from));
      to += 16;
      from += 16;
    } while (to < end);
  } else if (distance >= 8) {
    do {
      store<u64>(to, load<u64>(from));
      to += 8;
      from += 8;
    } while (to < end);
  } else {
    do {
      store<u8>(to++, load<u8>(from++));
    } while (to < end);
  }
}

import { adler32 } from './adler32';
import {
  begin,
  bits,
  count,
  input,
  inputEnd,
  MARGIN,
  position,
  refill,
  resume,
  take,
} from './bits';
import { inflateBlock } from './block';
import { build, EXCEPTION } from './code';
import * as area from './memory';

/*
 * Inflates zlib streams (RFC 1950, RFC 1951). Most entries of a pack are so short that Node's zlib
 * spends more time around a call (an engine, a buffer for the result, their collection) than on
 * inflating. Here a call allocates nothing.
 */

export { OUT, SPARE, WINDOW, WINDOW_BYTES } from './memory';

const INCOMPLETE: i32 = 0;
const INVALID: i32 = -1;

/** The bits that look up the tables of the last dynamic block. */
let literalBits: u32 = 0;
let distanceBits: u32 = 0;

/**
 * Inflates the stream that begins at `start` to `OUT`. It may end before the input, which ends at
 * `end`.
 *
 * @param size bytes that the stream must yield, at most 1 MiB.
 * @returns bytes that the stream takes, or `INCOMPLETE` or `INVALID`.
 */
export function inflate(start: usize, end: usize, size: usize): i32 {
  const result = inflateStream(start, end, size);
  if (result > 0) return <i32>(<usize>result - start);
  return result === INCOMPLETE || position() + MARGIN > end ? INCOMPLETE : INVALID;
}

/** @returns where the stream ends, or `INCOMPLETE` or `INVALID`. */
function inflateStream(start: usize, end: usize, size: usize): i32 {
  begin(start + 2, end);
  const header: u32 = ((<u32>load<u8>(start)) << 8) | load<u8>(start + 1);
  // Method 8, a window of at most 32 KiB, no dictionary.
  if ((header & 0x0f20) !== 0x0800 || header > 0x7fff || header % 31 !== 0) return INVALID;
  const limit = area.OUT + size;
  let to = area.OUT;
  let last: u32 = 0;
  do {
    refill();
    last = take(1);
    const type = take(2);
    if (type === 0) to = copyStored(to, limit);
    else if (type === 1)
      to = inflateBlock(to, limit, area.FIXED_LITERALS, 9, area.FIXED_DISTANCES, 5);
    else if (type === 2 && readCodes()) {
      to = inflateBlock(to, limit, area.LITERALS, literalBits, area.DISTANCES, distanceBits);
    } else return INVALID;
    if (to === 0) return INVALID;
    if (position() > end) return INCOMPLETE;
  } while (last === 0);
  const sumAt = position();
  if (sumAt + 4 > end) return INCOMPLETE;
  if (to !== limit || bswap<u32>(load<u32>(sumAt)) !== adler32(area.OUT, limit)) return INVALID;
  return <i32>(sumAt + 4);
}

/** RFC 1951, 3.2.4. @returns where the result ends, or 0 for an invalid block. */
function copyStored(to: usize, limit: usize): usize {
  take(count & 7);
  const length: usize = take(16);
  const complement: usize = take(16);
  const from = position();
  if ((length ^ complement) !== 0xffff || to + length > limit) return 0;
  // If the input is incomplete, the position shows it.
  if (from + length <= inputEnd) memory.copy(to, from, length);
  resume(from + length, 0, 0);
  return to + length;
}

/** RFC 1951, 3.2.7. @returns whether the codes of the block that follows are possible. */
function readCodes(): bool {
  refill();
  const literals = take(5) + 257;
  const distances = take(5) + 1;
  const codes = take(4) + 4;
  if (literals > 286 || distances > 30) return false;
  memory.fill(area.LENGTHS, 0, 19);
  for (let i: u32 = 0; i < codes; i++) {
    if (count < 3) refill();
    store<u8>(area.LENGTHS + load<u8>(area.CODE_ORDER + i), <u8>take(3));
  }
  if (!readLengths(literals + distances)) return false;
  // The symbol that ends the block.
  if (load<u8>(area.LENGTHS + 256) === 0) return false;
  literalBits = build(
    area.LENGTHS,
    literals,
    area.LITERALS,
    area.LITERAL_BITS,
    area.LITERAL_CODE,
    area.LITERAL_ENTRIES,
  );
  distanceBits = build(
    area.LENGTHS + literals,
    distances,
    area.DISTANCES,
    area.DISTANCE_BITS,
    area.DISTANCE_CODE,
    area.DISTANCE_ENTRIES,
  );
  return literalBits !== 0 && distanceBits !== 0;
}

/** Reads `total` code lengths to `LENGTHS`, which holds the lengths of the code for them before. */
function readLengths(total: u32): bool {
  const tableBits = build(
    area.LENGTHS,
    19,
    area.CODE_LENGTHS,
    7,
    area.DISTANCE_CODE,
    area.PLAIN_ENTRIES,
  );
  const mask = ((<u32>1) << tableBits) - 1;
  // No code, or an incomplete one: all-ones is no code of it.
  if (tableBits === 0 || load<u32>(area.CODE_LENGTHS + ((<usize>mask) << 2)) & EXCEPTION)
    return false;
  for (let i: u32 = 0; i < total; ) {
    if (count < 16) refill();
    if (input > inputEnd + MARGIN) return false;
    const entry = load<u32>(area.CODE_LENGTHS + ((<usize>(<u32>bits & mask)) << 2));
    take(entry & 15);
    const symbol = entry >> 16;
    if (symbol < 16) {
      store<u8>(area.LENGTHS + i++, <u8>symbol);
      continue;
    }
    let value: u8 = 0;
    let repeat: u32;
    if (symbol === 16) {
      if (i === 0) return false;
      value = load<u8>(area.LENGTHS + i - 1);
      repeat = 3 + take(2);
    } else if (symbol === 17) repeat = 3 + take(3);
    else repeat = 11 + take(7);
    if (i + repeat > total) return false;
    memory.fill(area.LENGTHS + i, value, repeat);
    i += repeat;
  }
  return true;
}

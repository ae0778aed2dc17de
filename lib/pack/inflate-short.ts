/*
 * Inflates short zlib streams (RFC 1950, RFC 1951) without zlib.
 *
 * Most deltas of a pack are so short that encoders use stored blocks or the fixed Huffman codes for
 * them, and that setting zlib up takes longer than their content. Whatever is anything else, such as
 * dynamic codes, or is wrong in any way, is left to zlib, which then says what it is. Cost: about
 * 10 ns a byte, where zlib takes 3 µs before the first one.
 */

/** Beyond this zlib is faster. */
export const SHORT_BYTES = 256;

/** RFC 1951 §3.2.5: what the length codes 257–285 and the distance codes 0–29 stand for. */
const LENGTH_EXTRA_BITS = bytes('0 0 0 0 0 0 0 0 1 1 1 1 2 2 2 2 3 3 3 3 4 4 4 4 5 5 5 5 0');
const LENGTH_BASE = bases(LENGTH_EXTRA_BITS, 3);
LENGTH_BASE[28] = 258;
const DISTANCE_EXTRA_BITS = bytes(
  '0 0 0 0 1 1 2 2 3 3 4 4 5 5 6 6 7 7 8 8 9 9 10 10 11 11 12 12 13 13',
);
const DISTANCE_BASE = bases(DISTANCE_EXTRA_BITS, 1);

const END_OF_BLOCK = 256;
const MAX_CODE_BITS = 9;
/** By the next 9 bits of the stream: `symbol << 4 | bits` of the fixed literal/length code. */
const FIXED_CODES = fixedCodes();
/** Distance codes are 5 bits, most significant first. */
const REVERSED_5_BITS = Uint8Array.from({ length: 32 }, (_, code) => reverse(code, 5));

/**
 * Inflates the stream at `bytes[start, end)`, which must yield exactly `size` bytes, to `out[0, size)`.
 *
 * @returns bytes that the stream takes; 0 when it is not one for this function, or is wrong.
 */
export function inflateShort(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  size: number,
): number {
  const header = ((bytes[start] ?? 0) << 8) | (bytes[start + 1] ?? 0);
  // Method 8, a window of at most 32 KiB, no dictionary.
  if ((header & 0x0f20) !== 0x0800 || header > 0x7fff || header % 31 !== 0) return 0;
  // One block alone; the bits of its head are the lowest three.
  const head = (bytes[start + 2] ?? 0) & 7;
  const blockEnd =
    head === 1
      ? copyStored(bytes, start + 3, end, out, size)
      : head === 3
        ? inflateFixed(bytes, start + 2, end, out, size)
        : 0;
  if (blockEnd === 0 || blockEnd + 4 > end) return 0;
  const sum =
    (bytes[blockEnd] ?? 0) * 0x1000000 +
    (((bytes[blockEnd + 1] ?? 0) << 16) | ((bytes[blockEnd + 2] ?? 0) << 8)) +
    (bytes[blockEnd + 3] ?? 0);
  return sum === adler32(out, size) ? blockEnd + 4 - start : 0;
}

/** §3.2.4. @returns where the block ends, or 0. */
function copyStored(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  size: number,
): number {
  const length = (bytes[start] ?? 0) | ((bytes[start + 1] ?? 0) << 8);
  const complement = (bytes[start + 2] ?? 0) | ((bytes[start + 3] ?? 0) << 8);
  let at = start + 4;
  if (length !== size || (length ^ complement) !== 0xffff || at + size > end) return 0;
  for (let to = 0; to < size; ) out[to++] = bytes[at++] ?? 0;
  return at;
}

/** §3.2.6. @returns where the block ends, or 0. */
function inflateFixed(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  size: number,
): number {
  let at = start + 1;
  // Bits that were read and not used, the next one lowest; the block's head is used.
  let bits = (bytes[start] ?? 0) >> 3;
  let count = 5;
  let to = 0;
  // Each turn puts out a byte or ends. What lies beyond the end reads as zeros, and is found out below.
  for (;;) {
    while (count < MAX_CODE_BITS) {
      bits |= (bytes[at++] ?? 0) << count;
      count += 8;
    }
    const code = FIXED_CODES[bits & 511] ?? 0;
    bits >>= code & 15;
    count -= code & 15;
    const symbol = code >> 4;
    if (symbol === END_OF_BLOCK) break;
    if (to >= size) return 0;
    if (symbol < END_OF_BLOCK) {
      out[to++] = symbol;
      continue;
    }
    const lengthBits = LENGTH_EXTRA_BITS[symbol - 257];
    if (lengthBits === undefined) return 0;
    while (count < 10) {
      bits |= (bytes[at++] ?? 0) << count;
      count += 8;
    }
    const length = (LENGTH_BASE[symbol - 257] ?? 0) + (bits & ((1 << lengthBits) - 1));
    bits >>= lengthBits;
    count -= lengthBits;
    while (count < 18) {
      bits |= (bytes[at++] ?? 0) << count;
      count += 8;
    }
    const distanceCode = REVERSED_5_BITS[bits & 31] ?? 0;
    const distanceBits = DISTANCE_EXTRA_BITS[distanceCode];
    if (distanceBits === undefined) return 0;
    const distance = (DISTANCE_BASE[distanceCode] ?? 0) + ((bits >> 5) & ((1 << distanceBits) - 1));
    bits >>= 5 + distanceBits;
    count -= 5 + distanceBits;
    if (distance > to || to + length > size) return 0;
    for (const last = to + length; to < last; to++) out[to] = out[to - distance] ?? 0;
  }
  const blockEnd = at - (count >> 3);
  return to === size && blockEnd <= end ? blockEnd : 0;
}

/** RFC 1950 §8.2; the sums of so few bytes need no reduction on the way. */
function adler32(bytes: Uint8Array, size: number): number {
  let a = 1;
  let b = 0;
  for (let i = 0; i < size; i++) {
    a += bytes[i] ?? 0;
    b += a;
  }
  return (b % 65521) * 0x10000 + (a % 65521);
}

function fixedCodes(): Uint16Array {
  const table = new Uint16Array(1 << MAX_CODE_BITS);
  const fill = (first: number, last: number, code: number, length: number) => {
    for (let symbol = first; symbol <= last; symbol++) {
      const reversed = reverse(code + symbol - first, length);
      for (let i = reversed; i < table.length; i += 1 << length) table[i] = (symbol << 4) | length;
    }
  };
  fill(0, 143, 0b00110000, 8);
  fill(144, 255, 0b110010000, 9);
  fill(256, 279, 0, 7);
  fill(280, 287, 0b11000000, 8);
  return table;
}

/** Huffman codes come with their most significant bit first, everything else with the least. */
function reverse(code: number, length: number): number {
  let reversed = 0;
  for (let i = 0; i < length; i++) if (code & (1 << i)) reversed |= 1 << (length - 1 - i);
  return reversed;
}

/** The first value of each code, when each covers as many values as its extra bits can tell apart. */
function bases(extraBits: Uint8Array, first: number): Uint16Array {
  let base = first;
  return Uint16Array.from(extraBits, (bits) => {
    base += 1 << bits;
    return base - (1 << bits);
  });
}

function bytes(text: string): Uint8Array {
  return Uint8Array.from(text.split(' '), Number);
}

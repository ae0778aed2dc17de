/*
 * Inflates zlib streams (RFC 1950, RFC 1951) from one place of its memory to another. AssemblyScript,
 * compiled to WebAssembly.
 *
 * Of the entries of a pack most are so short that what Node's zlib does around each call (an engine, a
 * buffer for the result, and their collection) takes longer than its inflating. Here a call allocates
 * nothing. As in zlib, a table gives the symbol for the next bits of the input; codes that are longer
 * than the table's are decoded bit by bit. Invariant of the bit buffer: the lowest `count` bits of
 * `bits` are input before `input`. It is filled by 8 bytes at a time, so that up to 16 bytes beyond the
 * end of the input are read; what they say is never believed.
 */

/** The memory, in bytes: tables of 4-byte entries first. */
const LITERALS: usize = 0; // 1024 entries
const DISTANCES: usize = 4096; // 256
const FIXED_LITERALS: usize = 5120; // 512
const FIXED_DISTANCES: usize = 7168; // 32
const CODE_LENGTHS: usize = 7296; // 128
/** Code lengths by symbol: 320 bytes. */
const LENGTHS: usize = 7808;
/** While a code is built, by code length: how many codes (u16), the next one (u32), its position (u16). */
const COUNTS: usize = 8192;
const NEXT: usize = 8224;
const POSITIONS: usize = 8288;
/** For decoding bit by bit: the counts, then the symbols in the order of their codes (u16). */
const LONG_LITERALS: usize = 8320;
const LONG_DISTANCES: usize = 8960;
const SYMBOLS_AT: usize = 32;
/** Table entries without code length: of the symbols from 256 on, and of the distance symbols. */
const LENGTH_ENTRIES: usize = 9216; // 32
const DISTANCE_ENTRIES: usize = 9344; // 32
/** The order in which the lengths of the code for code lengths come: 19 bytes. */
const CODE_ORDER: usize = 9472;

/** Where the result goes, and how much it may be; then 512 bytes that may be overwritten. */
export const OUT: usize = 16384;
export const OUT_BYTES: usize = 1048576;
/** Where the input is to be put. */
export const WINDOW: usize = 1065472;
export const WINDOW_BYTES: usize = 4194304;

const LITERAL_BITS: u32 = 10;
const DISTANCE_BITS: u32 = 8;

/** Whose entries a table has. */
const LITERAL_ALPHABET: u32 = 0;
const DISTANCE_ALPHABET: u32 = 1;
const PLAIN_ALPHABET: u32 = 2;

/** A table entry: code length (bits 0–3), extra bits (4–7), kind (8–9), value (16–31). 0: no entry. */
const KIND: u32 = 0x300;
const LENGTH: u32 = 0x100;
const END: u32 = 0x200;
const BAD: u32 = 0x300;

const INCOMPLETE: i32 = 0;
const INVALID: i32 = -1;
/** An error so near the end of the input may be one of bytes that are not there. */
const MARGIN: usize = 16;

let input: usize = 0;
let inputEnd: usize = 0;
let bits: u64 = 0;
let count: u64 = 0;

function literalEntry(symbol: u32): u32 {
  return symbol < 256 ? symbol << 16 : load<u32>(LENGTH_ENTRIES + ((<usize>symbol - 256) << 2));
}

function setUp(): void {
  // RFC 1951, 3.2.5
  store<u32>(LENGTH_ENTRIES, END);
  let base: u32 = 3;
  for (let i: u32 = 0; i < 28; i++) {
    const extra: u32 = i < 8 ? 0 : (i >> 2) - 1;
    store<u32>(LENGTH_ENTRIES + ((<usize>i + 1) << 2), (base << 16) | LENGTH | (extra << 4));
    base += 1 << extra;
  }
  store<u32>(LENGTH_ENTRIES + (29 << 2), (258 << 16) | LENGTH);
  store<u32>(LENGTH_ENTRIES + (30 << 2), BAD);
  store<u32>(LENGTH_ENTRIES + (31 << 2), BAD);
  base = 1;
  for (let i: u32 = 0; i < 30; i++) {
    const extra: u32 = i < 4 ? 0 : (i >> 1) - 1;
    store<u32>(DISTANCE_ENTRIES + ((<usize>i) << 2), (base << 16) | LENGTH | (extra << 4));
    base += 1 << extra;
  }
  store<u32>(DISTANCE_ENTRIES + (30 << 2), BAD);
  store<u32>(DISTANCE_ENTRIES + (31 << 2), BAD);
  // 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15
  store<u32>(CODE_ORDER, 0x00121110);
  store<u32>(CODE_ORDER + 4, 0x06090708);
  store<u32>(CODE_ORDER + 8, 0x040b050a);
  store<u32>(CODE_ORDER + 12, 0x020d030c);
  store<u32>(CODE_ORDER + 16, 0x000f010e);
  for (let i: usize = 0; i < 288; i++) {
    store<u8>(LENGTHS + i, i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8);
  }
  build(LENGTHS, 288, FIXED_LITERALS, 9, LONG_LITERALS, LITERAL_ALPHABET);
  for (let i: usize = 0; i < 32; i++) store<u8>(LENGTHS + i, 5);
  build(LENGTHS, 32, FIXED_DISTANCES, 5, LONG_DISTANCES, DISTANCE_ALPHABET);
}

/**
 * Builds the table of the code in which `n` symbols have these lengths (RFC 1951, 3.2.2).
 *
 * @returns what is left of the code space: 0 for a complete code, negative for an impossible one.
 */
function build(
  lengths: usize,
  n: u32,
  table: usize,
  tableBits: u32,
  long: usize,
  alphabet: u32,
): i32 {
  memory.fill(COUNTS, 0, 32);
  for (let i: u32 = 0; i < n; i++) {
    const at = COUNTS + ((<usize>load<u8>(lengths + i)) << 1);
    store<u16>(at, load<u16>(at) + 1);
  }
  store<u16>(COUNTS, 0);
  let left: i32 = 1;
  let code: u32 = 0;
  let sum: u32 = 0;
  for (let len: u32 = 1; len < 16; len++) {
    const c: u32 = load<u16>(COUNTS + ((<usize>len) << 1));
    left = (left << 1) - <i32>c;
    if (left < 0) return left;
    code <<= 1;
    store<u32>(NEXT + ((<usize>len) << 2), code);
    code += c;
    store<u16>(POSITIONS + ((<usize>len) << 1), <u16>sum);
    sum += c;
  }
  const size: u32 = 1 << tableBits;
  // What is no code, or one that is too long for the table, has no entry.
  if (left > 0 || hasLong(tableBits)) memory.fill(table, 0, size << 2);
  memory.copy(long, COUNTS, 32);
  for (let symbol: u32 = 0; symbol < n; symbol++) {
    const len: u32 = load<u8>(lengths + symbol);
    if (len === 0) continue;
    const offsetAt = POSITIONS + ((<usize>len) << 1);
    const position: u32 = load<u16>(offsetAt);
    store<u16>(offsetAt, <u16>(position + 1));
    store<u16>(long + SYMBOLS_AT + ((<usize>position) << 1), <u16>symbol);
    const nextAt = NEXT + ((<usize>len) << 2);
    const own = load<u32>(nextAt);
    store<u32>(nextAt, own + 1);
    if (len > tableBits) continue;
    const entry: u32 =
      len |
      (alphabet === LITERAL_ALPHABET
        ? literalEntry(symbol)
        : alphabet === DISTANCE_ALPHABET
          ? load<u32>(DISTANCE_ENTRIES + ((<usize>symbol) << 2))
          : symbol << 16);
    const step: u32 = 1 << len;
    for (let i: u32 = reverse(own, len); i < size; i += step)
      store<u32>(table + ((<usize>i) << 2), entry);
  }
  return left;
}

function hasLong(tableBits: u32): bool {
  let any: u32 = 0;
  for (let len: u32 = tableBits + 1; len < 16; len++)
    any |= load<u16>(COUNTS + ((<usize>len) << 1));
  return any !== 0;
}

function reverse(code: u32, len: u32): u32 {
  let v = code;
  v = ((v >> 1) & 0x5555) | ((v & 0x5555) << 1);
  v = ((v >> 2) & 0x3333) | ((v & 0x3333) << 2);
  v = ((v >> 4) & 0x0f0f) | ((v & 0x0f0f) << 4);
  v = ((v >> 8) & 0x00ff) | ((v & 0x00ff) << 8);
  return v >> (16 - len);
}

/** Bits of a code that is not in the table, one by one. Returns symbol << 4 | length, or 0. */
function longCode(long: usize, code: u32): u32 {
  let rest = code;
  let value: i32 = 0;
  let first: i32 = 0;
  let index: i32 = 0;
  for (let len: u32 = 1; len < 16; len++) {
    value |= <i32>(rest & 1);
    rest >>= 1;
    const c: i32 = load<u16>(long + ((<usize>len) << 1));
    if (value - c < first) {
      return (
        ((<u32>load<u16>(long + SYMBOLS_AT + ((<usize>(index + value - first)) << 1))) << 4) | len
      );
    }
    index += c;
    first = (first + c) << 1;
    value <<= 1;
  }
  return 0;
}

function refill(): void {
  bits |= load<u64>(input) << count;
  input += <usize>((63 - count) >> 3);
  count |= 56;
}

function take(n: u64): u32 {
  const value = <u32>(bits & ((1 << n) - 1));
  bits >>= n;
  count -= n;
  return value;
}

/**
 * Inflates the stream that begins at `start` to `OUT`; the input ends at `end`, the stream may before.
 *
 * @param size bytes that it must yield, at most `OUT_BYTES`.
 * @returns bytes that the stream takes, or `INCOMPLETE` or `INVALID`.
 */
export function inflate(start: usize, end: usize, size: usize): i32 {
  const result = inflateStream(start, end, size);
  if (result > 0) return <i32>(<usize>result - start);
  return result === INCOMPLETE || position() + MARGIN > end ? INCOMPLETE : INVALID;
}

/** @returns where the stream ends, or `INCOMPLETE` or `INVALID`. */
function inflateStream(start: usize, end: usize, size: usize): i32 {
  input = start;
  inputEnd = end;
  bits = 0;
  count = 0;
  const header: u32 = ((<u32>load<u8>(start)) << 8) | load<u8>(start + 1);
  // Method 8, a window of at most 32 KiB, no dictionary.
  if ((header & 0x0f20) !== 0x0800 || header > 0x7fff || header % 31 !== 0) return INVALID;
  input = start + 2;
  const limit = OUT + size;
  let to = OUT;
  let last: u32 = 0;
  do {
    refill();
    last = take(1);
    const type = take(2);
    let result = INVALID;
    if (type === 0) result = copyStored(to, limit);
    else if (type === 1) {
      result = inflateBlock(to, limit, FIXED_LITERALS, 9, FIXED_DISTANCES, 5);
    } else if (type === 2 && readCodes()) {
      result = inflateBlock(to, limit, LITERALS, LITERAL_BITS, DISTANCES, DISTANCE_BITS);
    }
    if (result <= 0) return result;
    to = <usize>result;
    if (position() > end) return INCOMPLETE;
  } while (last === 0);
  const sumAt = position();
  if (sumAt + 4 > end) return INCOMPLETE;
  if (to !== limit || bswap<u32>(load<u32>(sumAt)) !== adler32(size)) return INVALID;
  return <i32>(sumAt + 4);
}

/** Of the first bit that is not used yet, rounded down to a byte's. */
function position(): usize {
  return input - <usize>(count >> 3);
}

/** RFC 1951, 3.2.4. @returns where the result ends, or an error. */
function copyStored(to: usize, limit: usize): i32 {
  take(count & 7);
  const length = take(16);
  const complement = take(16);
  const from = position();
  if ((length ^ complement) !== 0xffff || to + length > limit) return INVALID;
  if (from + length > inputEnd) return INCOMPLETE;
  memory.copy(to, from, length);
  input = from + length;
  bits = 0;
  count = 0;
  return <i32>(to + length);
}

/** RFC 1951, 3.2.7. @returns whether the codes of the block that follows are possible. */
function readCodes(): bool {
  refill();
  const literals = take(5) + 257;
  const distances = take(5) + 1;
  const codes = take(4) + 4;
  if (literals > 286 || distances > 30) return false;
  memory.fill(LENGTHS, 0, 19);
  for (let i: u32 = 0; i < codes; i++) {
    if (count < 3) refill();
    store<u8>(LENGTHS + load<u8>(CODE_ORDER + i), <u8>take(3));
  }
  if (build(LENGTHS, 19, CODE_LENGTHS, 7, LONG_DISTANCES, PLAIN_ALPHABET) !== 0) return false;
  const total = literals + distances;
  for (let i: u32 = 0; i < total; ) {
    if (count < 16) refill();
    if (input > inputEnd + MARGIN) return false;
    const entry = load<u32>(CODE_LENGTHS + ((<usize>(bits & 127)) << 2));
    take(entry & 15);
    const symbol = entry >> 16;
    if (symbol < 16) {
      store<u8>(LENGTHS + i++, <u8>symbol);
      continue;
    }
    let value: u8 = 0;
    let repeat: u32;
    if (symbol === 16) {
      if (i === 0) return false;
      value = load<u8>(LENGTHS + i - 1);
      repeat = 3 + take(2);
    } else if (symbol === 17) repeat = 3 + take(3);
    else repeat = 11 + take(7);
    if (i + repeat > total) return false;
    memory.fill(LENGTHS + i, value, repeat);
    i += repeat;
  }
  if (load<u8>(LENGTHS + 256) === 0) return false;
  let left = build(LENGTHS, literals, LITERALS, LITERAL_BITS, LONG_LITERALS, LITERAL_ALPHABET);
  if (left < 0 || (left > 0 && !isSingle())) return false;
  left = build(
    LENGTHS + literals,
    distances,
    DISTANCES,
    DISTANCE_BITS,
    LONG_DISTANCES,
    DISTANCE_ALPHABET,
  );
  return left === 0 || (left > 0 && isSingle());
}

/** Whether the last code built has no more than one symbol, of one bit: zlib takes no other incomplete one. */
function isSingle(): bool {
  let sum: u32 = 0;
  for (let len: u32 = 2; len < 16; len++) sum += load<u16>(COUNTS + ((<usize>len) << 1));
  return sum === 0;
}

/** RFC 1951, 3.2.3. @returns where the result ends, or `INVALID`. */
function inflateBlock(
  start: usize,
  limit: usize,
  literals: usize,
  literalBits: u64,
  distances: usize,
  distanceBits: u64,
): i32 {
  const literalMask: u64 = (1 << literalBits) - 1;
  const distanceMask: u64 = (1 << distanceBits) - 1;
  const stop = inputEnd + MARGIN;
  let to = start;
  let at = input;
  let b = bits;
  let n = count;
  for (;;) {
    if (at > stop) break;
    b |= load<u64>(at) << n;
    at += <usize>((63 - n) >> 3);
    n |= 56;
    // 56 bits: three literals of 15, or a length and its distance of 15 + 5 + 15 + 13.
    let entry = load<u32>(literals + ((<usize>(b & literalMask)) << 2));
    if (entry === 0) {
      const found = longCode(LONG_LITERALS, <u32>b);
      if (found === 0) break;
      entry = literalEntry(found >> 4) | (found & 15);
    }
    let length = <u64>(entry & 15);
    b >>= length;
    n -= length;
    if ((entry & KIND) === 0) {
      if (to >= limit) break;
      store<u8>(to++, <u8>(entry >> 16));
      entry = load<u32>(literals + ((<usize>(b & literalMask)) << 2));
      if (entry === 0 || (entry & KIND) !== 0) continue;
      if (to >= limit) break;
      length = <u64>(entry & 15);
      b >>= length;
      n -= length;
      store<u8>(to++, <u8>(entry >> 16));
      entry = load<u32>(literals + ((<usize>(b & literalMask)) << 2));
      if (entry === 0 || (entry & KIND) !== 0) continue;
      if (to >= limit) break;
      length = <u64>(entry & 15);
      b >>= length;
      n -= length;
      store<u8>(to++, <u8>(entry >> 16));
      continue;
    }
    if ((entry & KIND) !== LENGTH) {
      if ((entry & KIND) === END) {
        input = at;
        bits = b;
        count = n;
        return <i32>to;
      }
      break;
    }
    const extra = <u64>((entry >> 4) & 15);
    const copied: usize = (entry >> 16) + <u32>(b & ((1 << extra) - 1));
    b >>= extra;
    n -= extra;
    entry = load<u32>(distances + ((<usize>(b & distanceMask)) << 2));
    if (entry === 0) {
      const found = longCode(LONG_DISTANCES, <u32>b);
      if (found === 0) break;
      entry = load<u32>(DISTANCE_ENTRIES + ((<usize>(found >> 4)) << 2)) | (found & 15);
    }
    if ((entry & KIND) !== LENGTH) break;
    length = <u64>(entry & 15);
    b >>= length;
    n -= length;
    const distanceExtra = <u64>((entry >> 4) & 15);
    const distance: usize = (entry >> 16) + <u32>(b & ((1 << distanceExtra) - 1));
    b >>= distanceExtra;
    n -= distanceExtra;
    const end = to + copied;
    if (distance > to - OUT || end > limit) break;
    let from = to - distance;
    if (distance >= 8) {
      // May write up to 7 bytes too far: they are overwritten, or lie in the slack.
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
    to = end;
  }
  input = at;
  bits = b;
  count = n;
  return INVALID;
}

/** RFC 1950, 8.2 */
function adler32(size: usize): u32 {
  let a: u32 = 1;
  let s: u32 = 0;
  let at = OUT;
  const end = OUT + size;
  const high = i16x8(16, 15, 14, 13, 12, 11, 10, 9);
  const low = i16x8(8, 7, 6, 5, 4, 3, 2, 1);
  while (end - at >= 16) {
    const stop = at + min<usize>((end - at) & ~15, 5536);
    const n = <u32>(stop - at);
    s += a * n;
    let sums = i32x4.splat(0);
    let weighted = i32x4.splat(0);
    let before = i32x4.splat(0);
    for (; at < stop; at += 16) {
      const v = v128.load(at);
      before = i32x4.add(before, sums);
      sums = i32x4.add(sums, i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(v)));
      weighted = i32x4.add(weighted, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(v), high));
      weighted = i32x4.add(weighted, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(v), low));
    }
    a += lanes(sums);
    s += lanes(weighted) + lanes(before) * 16;
    a %= 65521;
    s %= 65521;
  }
  for (; at < end; at++) {
    a += load<u8>(at);
    s += a;
  }
  return ((s % 65521) << 16) | (a % 65521);
}

function lanes(v: v128): u32 {
  return (
    i32x4.extract_lane(v, 0) +
    i32x4.extract_lane(v, 1) +
    i32x4.extract_lane(v, 2) +
    i32x4.extract_lane(v, 3)
  );
}

setUp();

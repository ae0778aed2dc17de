import * as area from './memory';

/*
 * Prefix codes (RFC 1951, 3.2.2).
 *
 * As in zlib, a table gives the symbol for the next bits of the input. Codes that are too long for
 * the table are decoded with the code's own memory: three arrays of u16 by length (how many codes
 * have this length, the first of them, and the position of its symbol), and the symbols in the
 * order of their codes.
 *
 * The bits of a table entry:
 * - 0–7: how many bits of input it takes, extra bits included;
 * - 8–11: how many of these are the code's;
 * - 16–30: the literal, or the base of the length or distance;
 * - 31: it is a literal;
 * - 15: it is not a literal, length or distance. Then bit 14 tells the end of the block from
 *   symbols outside the alphabet.
 *
 * `EXCEPTION` alone, which takes no bits, stands for input that the table can't decode: it is no
 * code, or the start of a longer one.
 */
export const LITERAL: u32 = 0x80000000;
export const EXCEPTION: u32 = 0x8000;
export const END: u32 = 0x4000;

const NONE: u32 = 0xffffffff;

const FIRST: usize = 32;
const POSITION: usize = 64;
const SYMBOLS: usize = 96;

/**
 * Builds the code in which `n` symbols have these lengths, and its table.
 *
 * @returns the bits that look up the table, or 0 for an impossible code. As in zlib, an incomplete
 * code has at most one symbol, of one bit.
 */
export function build(
  lengths: usize,
  n: u32,
  table: usize,
  maxTableBits: u32,
  code: usize,
  entries: usize,
): u32 {
  memory.fill(code, 0, 32);
  for (let i: u32 = 0; i < n; i++) {
    const at = code + ((<usize>load<u8>(lengths + i)) << 1);
    store<u16>(at, load<u16>(at) + 1);
  }
  store<u16>(code, 0);
  let left: i32 = 1;
  let first: u32 = 0;
  let position: u32 = 0;
  let longest: u32 = 1;
  for (let len: u32 = 1; len < 16; len++) {
    const at = code + ((<usize>len) << 1);
    const count: u32 = load<u16>(at);
    left = (left << 1) - <i32>count;
    if (left < 0) return 0;
    if (count !== 0) longest = len;
    first <<= 1;
    store<u16>(at, <u16>first, FIRST);
    store<u16>(at, <u16>position, POSITION);
    store<u16>(area.NEXT + ((<usize>len) << 1), <u16>position);
    first += count;
    position += count;
  }
  if (left > 0 && longest > 1) return 0;
  for (let symbol: u32 = 0; symbol < n; symbol++) {
    const len: u32 = load<u8>(lengths + symbol);
    if (len === 0) continue;
    const nextAt = area.NEXT + ((<usize>len) << 1);
    const next: u32 = load<u16>(nextAt);
    store<u16>(nextAt, <u16>(next + 1));
    store<u16>(code + SYMBOLS + ((<usize>next) << 1), <u16>symbol);
  }
  const tableBits = min(longest, maxTableBits);
  fillTable(table, tableBits, code, entries);
  return tableBits;
}

/**
 * Each further bit doubles the table. Codes are counted with their bits reversed, as in the input.
 */
function fillTable(table: usize, tableBits: u32, code: usize, entries: usize): void {
  let size: u32 = 1;
  let reversed: u32 = 0;
  let symbolAt = code + SYMBOLS;
  store<u32>(table, EXCEPTION);
  for (let len: u32 = 1; len <= tableBits; len++) {
    double(table, size);
    size <<= 1;
    const own = len * 0x101;
    for (let count: u32 = load<u16>(code + ((<usize>len) << 1)); count > 0; count--) {
      const symbol: usize = load<u16>(symbolAt);
      symbolAt += 2;
      store<u32>(table + ((<usize>reversed) << 2), load<u32>(entries + (symbol << 2)) + own);
      reversed = nextReversed(reversed, size);
    }
  }
  // The rest are no codes, or begin longer ones.
  for (; reversed !== NONE; reversed = nextReversed(reversed, size)) {
    store<u32>(table + ((<usize>reversed) << 2), EXCEPTION);
  }
}

function double(table: usize, size: u32): void {
  const bytes = (<usize>size) << 2;
  if (bytes < 16) {
    for (let at = table; at < table + bytes; at += 4) store<u32>(at + bytes, load<u32>(at));
    return;
  }
  const end = table + bytes;
  for (let at = table; at < end; at += 16) v128.store(at + bytes, v128.load(at));
}

/** The next code of `log2(size)` bits, or `NONE`. */
function nextReversed(reversed: u32, size: u32): u32 {
  const zeros = reversed ^ (size - 1);
  if (zeros === 0) return NONE;
  const bit: u32 = 0x80000000 >> clz(zeros);
  return (reversed & (bit - 1)) | bit;
}

/** The entry for the code at the start of `bits`, longer than `tableBits`; or `EXCEPTION`. */
export function longEntry(code: usize, entries: usize, tableBits: u32, bits: u32): u32 {
  let rest = bits;
  let value: u32 = 0;
  for (let i: u32 = 0; i < tableBits; i++) {
    value = (value << 1) | (rest & 1);
    rest >>= 1;
  }
  for (let len: u32 = tableBits + 1; len < 16; len++) {
    value = (value << 1) | (rest & 1);
    rest >>= 1;
    const at = code + ((<usize>len) << 1);
    const nth = value - <u32>load<u16>(at, FIRST);
    if (nth >= <u32>load<u16>(at)) continue;
    const symbol: usize = load<u16>(
      code + SYMBOLS + ((<usize>(nth + load<u16>(at, POSITION))) << 1),
    );
    return load<u32>(entries + (symbol << 2)) + len * 0x101;
  }
  return EXCEPTION;
}

/** Sets up the entries of the alphabets (RFC 1951, 3.2.5). */
function setUpEntries(): void {
  for (let i: u32 = 0; i < 256; i++)
    store<u32>(area.LITERAL_ENTRIES + ((<usize>i) << 2), LITERAL | (i << 16));
  store<u32>(area.LITERAL_ENTRIES + (256 << 2), EXCEPTION | END);
  let base: u32 = 3;
  for (let i: u32 = 0; i < 28; i++) {
    const extra: u32 = i < 8 ? 0 : (i >> 2) - 1;
    store<u32>(area.LITERAL_ENTRIES + ((<usize>i + 257) << 2), (base << 16) | extra);
    base += 1 << extra;
  }
  store<u32>(area.LITERAL_ENTRIES + (285 << 2), 258 << 16);
  store<u32>(area.LITERAL_ENTRIES + (286 << 2), EXCEPTION);
  store<u32>(area.LITERAL_ENTRIES + (287 << 2), EXCEPTION);
  base = 1;
  for (let i: u32 = 0; i < 30; i++) {
    const extra: u32 = i < 4 ? 0 : (i >> 1) - 1;
    store<u32>(area.DISTANCE_ENTRIES + ((<usize>i) << 2), (base << 16) | extra);
    base += 1 << extra;
  }
  store<u32>(area.DISTANCE_ENTRIES + (30 << 2), EXCEPTION);
  store<u32>(area.DISTANCE_ENTRIES + (31 << 2), EXCEPTION);
  for (let i: u32 = 0; i < 19; i++) store<u32>(area.PLAIN_ENTRIES + ((<usize>i) << 2), i << 16);
}

/** Sets up the fixed codes (RFC 1951, 3.2.6). */
function setUpFixedCodes(): void {
  for (let i: usize = 0; i < 288; i++) {
    store<u8>(area.LENGTHS + i, i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8);
  }
  build(area.LENGTHS, 288, area.FIXED_LITERALS, 9, area.LITERAL_CODE, area.LITERAL_ENTRIES);
  for (let i: usize = 0; i < 32; i++) store<u8>(area.LENGTHS + i, 5);
  build(area.LENGTHS, 32, area.FIXED_DISTANCES, 5, area.DISTANCE_CODE, area.DISTANCE_ENTRIES);
}

setUpEntries();
setUpFixedCodes();
// 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15
store<u32>(area.CODE_ORDER, 0x00121110);
store<u32>(area.CODE_ORDER + 4, 0x06090708);
store<u32>(area.CODE_ORDER + 8, 0x040b050a);
store<u32>(area.CODE_ORDER + 12, 0x020d030c);
store<u32>(area.CODE_ORDER + 16, 0x000f010e);

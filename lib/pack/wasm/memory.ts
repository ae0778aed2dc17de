/* The layout of the memory, in bytes. */

/** Bits of the input that look up an entry. Longer codes are not in the table. */
export const LITERAL_BITS: u32 = 10;
export const DISTANCE_BITS: u32 = 8;

/** Tables of 4-byte entries (see `code.ts`). */
export const LITERALS: usize = 0;
export const DISTANCES: usize = LITERALS + 4 * 1024;
export const FIXED_LITERALS: usize = DISTANCES + 4 * 256;
export const FIXED_DISTANCES: usize = FIXED_LITERALS + 4 * 512;
export const CODE_LENGTHS: usize = FIXED_DISTANCES + 4 * 32;

/** The codes behind the tables: see `code.ts`. */
export const LITERAL_CODE: usize = CODE_LENGTHS + 4 * 128;
export const DISTANCE_CODE: usize = LITERAL_CODE + 96 + 2 * 288;

/** For each symbol, its entry without the length of its code: 4 bytes each. */
export const LITERAL_ENTRIES: usize = DISTANCE_CODE + 96 + 2 * 32;
export const DISTANCE_ENTRIES: usize = LITERAL_ENTRIES + 4 * 288;
export const PLAIN_ENTRIES: usize = DISTANCE_ENTRIES + 4 * 32;

/** Code lengths by symbol, while codes are read: 320 bytes. */
export const LENGTHS: usize = PLAIN_ENTRIES + 4 * 19;
/** The order in which the lengths of the code for code lengths come: 19 bytes. */
export const CODE_ORDER: usize = LENGTHS + 320;
/** While a code is built, where the next symbol of each length goes: 16 of 2 bytes. */
export const NEXT: usize = CODE_ORDER + 20;

/** The result: at most 1 MiB, then 512 bytes that may be overwritten. */
export const OUT: usize = 16384;
/** The input. */
export const WINDOW: usize = OUT + 1024 * 1024 + 512;
export const WINDOW_BYTES: usize = 4 * 1024 * 1024;
/** Input that does not come through the window. */
export const SPARE: usize = WINDOW + WINDOW_BYTES + 64;
export const SPARE_BYTES: usize = 3 * 1024 * 1024;
/** The caller's memory begins here. Up to 64 bytes after an input may be read. */
const REST: usize = 129 * 65536;

if (NEXT + 32 > OUT || SPARE + SPARE_BYTES + 64 > REST) ERROR('the areas overlap');

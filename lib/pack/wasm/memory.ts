/* What lies where in the memory, in bytes. It is the caller's from page 81 on. */

/** How many bits of the input look an entry up. Codes that are longer are not in the table. */
export const LITERAL_BITS: u32 = 10;
export const DISTANCE_BITS: u32 = 8;

/** Tables of 4-byte entries (see `code.ts`). */
export const LITERALS: usize = 0;
export const DISTANCES: usize = 8192;
export const FIXED_LITERALS: usize = 9216;
export const FIXED_DISTANCES: usize = 11264;
export const CODE_LENGTHS: usize = 11392;

/** What codes are built of: see `code.ts`. */
export const LITERAL_CODE: usize = 11904;
export const DISTANCE_CODE: usize = 12672;

/** By symbol, its entry but for the length of its code: 4 bytes each. */
export const LITERAL_ENTRIES: usize = 13440;
export const DISTANCE_ENTRIES: usize = 14592;
export const PLAIN_ENTRIES: usize = 14720;

/** Code lengths by symbol, while codes are read: 320 bytes. */
export const LENGTHS: usize = 14816;
/** The order in which the lengths of the code for code lengths come: 19 bytes. */
export const CODE_ORDER: usize = 15136;

/** Where the result goes: at most 1 MiB, then 512 bytes that may be overwritten. */
export const OUT: usize = 16384;
/** Where the input is to be put. */
export const WINDOW: usize = 1065472;
export const WINDOW_BYTES: usize = 4194304;

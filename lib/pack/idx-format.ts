/* gitformat-pack(5), "Version 2 pack-*.idx files". */

export const IDX_SIGNATURE = 0xff744f63;
export const IDX_VERSION = 2;
/** For each first byte, how many ids begin with this or a lower byte: 256 numbers of 4 bytes. */
export const FANOUT_AT = 8;
export const FANOUT_BYTES = 256 * 4;
/** The sorted ids, 20 bytes each; then as many CRCs, and as many offsets, of 4 bytes each. */
export const OIDS_AT = FANOUT_AT + FANOUT_BYTES;

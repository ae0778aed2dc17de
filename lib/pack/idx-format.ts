/* gitformat-pack(5), "Version 2 pack-*.idx files". */

export const IDX_SIGNATURE = 0xff744f63;
export const IDX_VERSION = 2;
/** How many ids begin with each byte or a lower one: 256 of 4 bytes. */
export const FANOUT_AT = 8;
export const FANOUT_BYTES = 256 * 4;
/** Ids in their order, 20 bytes each; then as many CRCs, and offsets, of 4 bytes. */
export const OIDS_AT = FANOUT_AT + FANOUT_BYTES;

import {
  FANOUT_AT,
  IDX_SIGNATURE,
  IDX_TRAILER_BYTES,
  IDX_VERSION,
  OIDS_AT,
  PACK_HEADER_BYTES,
  PACK_TRAILER_BYTES,
  parsePackHeader,
} from '../../pack/format.js';

export const PACK_HEAD_BYTES = PACK_HEADER_BYTES;
export const IDX_HEAD_BYTES = OIDS_AT;
/** Enough for the checksums at the end of a pack, and of an idx file. */
export const TAIL_BYTES = IDX_TRAILER_BYTES;

/** Both ends of a file. */
export interface Ends {
  /** Bytes of the file. */
  readonly size: number;
  readonly head: Buffer;
  /** The last `TAIL_BYTES`. */
  readonly tail: Buffer;
}

/** Whether a pack and its idx file are complete and belong together. Their content is not read. */
export function isWholePack(path: string, pack: Ends, idx: Ends): boolean {
  if (pack.size < PACK_HEAD_BYTES + PACK_TRAILER_BYTES) return false;
  if (idx.size < IDX_HEAD_BYTES + IDX_TRAILER_BYTES) return false;
  const checksum = pack.tail.subarray(-PACK_TRAILER_BYTES);
  return (
    path.endsWith(`pack-${checksum.toString('hex')}`) &&
    idx.head.readUInt32BE(0) === IDX_SIGNATURE &&
    idx.head.readUInt32BE(4) === IDX_VERSION &&
    idx.head.readUInt32BE(FANOUT_AT + 255 * 4) === parsePackHeader(pack.head) &&
    idx.tail.subarray(0, PACK_TRAILER_BYTES).equals(checksum)
  );
}

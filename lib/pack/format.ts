import { createHash } from 'node:crypto';
import { ObjectType, OID_BYTES } from '../git/object.js';
import { byteAt } from './elements.js';

/* The byte formats of packs and their idx files: gitformat-pack(5). */

export const IDX_SIGNATURE = 0xff744f63;
export const IDX_VERSION = 2;
/** For each byte, how many ids begin with this or a lower byte: 256 numbers of 4 bytes. */
export const FANOUT_AT = 8;
/** The sorted ids, 20 bytes each; then as many CRCs, and as many offsets, of 4 bytes each. */
export const OIDS_AT = FANOUT_AT + 256 * 4;
/** Offsets from here on are positions in the last table, of 64-bit offsets. */
export const FIRST_LARGE_OFFSET = 0x8000_0000;

export const PACK_HEADER_BYTES = 12;
/** The SHA-1 of all bytes before. Packs end with it, and so do idx files. */
export const PACK_TRAILER_BYTES = 20;
/** The checksums of the pack and of the idx itself. */
export const IDX_TRAILER_BYTES = 2 * PACK_TRAILER_BYTES;

/** Ends `pieces` with the SHA-1 of all bytes before, as packs and idx files end. */
export function* withChecksum(pieces: Iterable<Uint8Array>): Generator<Uint8Array> {
  const checksum = createHash('sha1');
  for (const piece of pieces) {
    checksum.update(piece);
    yield piece;
  }
  yield checksum.digest();
}

export const EntryType = { ...ObjectType, ofsDelta: 6, refDelta: 7 } as const;

/** 10 bytes of size and 20 of a base's id, rounded up. */
export const MAX_ENTRY_HEADER_BYTES = 32;

const PACK_SIGNATURE = 0x5041434b; // "PACK"

export function encodePackHeader(objects: number): Buffer {
  const header = Buffer.alloc(PACK_HEADER_BYTES);
  header.writeUInt32BE(PACK_SIGNATURE, 0);
  header.writeUInt32BE(2, 4);
  header.writeUInt32BE(objects, 8);
  return header;
}

/** The number of objects that a pack header declares; `undefined` if it is no version 2 pack. */
export function parsePackHeader(bytes: Buffer): number | undefined {
  if (bytes.readUInt32BE(0) !== PACK_SIGNATURE || bytes.readUInt32BE(4) !== 2) return undefined;
  return bytes.readUInt32BE(8);
}

/** Reused from entry to entry, because there are millions. */
export class EntryHeader {
  /** 1–4 or a delta; the caller refuses anything else. */
  type = 0;
  /** Bytes of the inflated content: the object's, or the delta's. */
  size = 0;
  /** Bytes from the start of the entry to its zlib stream. */
  length = 0;
  /** For `ofsDelta`: how many bytes before this entry its base begins. */
  baseDistance = 0;
  /** For `refDelta`: where in the parsed buffer the base's id begins. */
  baseOidAt = 0;
}

/** Parses the entry header at `at` into `header`. Numbers beyond 2^53 are invalid. */
export function parseEntryHeader(
  bytes: Uint8Array,
  at: number,
  end: number,
  header: EntryHeader,
): 'ok' | 'incomplete' | 'invalid' {
  let pos = at;
  if (pos >= end) return 'incomplete';
  let byte = byteAt(bytes, pos++);
  header.type = (byte >> 4) & 7;
  let size = byte & 15;
  let scale = 16;
  while (byte & 0x80) {
    if (pos >= end) return 'incomplete';
    if (scale > 2 ** 46) return 'invalid';
    byte = byteAt(bytes, pos++);
    size += (byte & 0x7f) * scale;
    scale *= 128;
  }
  header.size = size;
  if (header.type === EntryType.ofsDelta) {
    if (pos >= end) return 'incomplete';
    byte = byteAt(bytes, pos++);
    let distance = byte & 0x7f;
    while (byte & 0x80) {
      if (pos >= end) return 'incomplete';
      if (distance > 2 ** 45) return 'invalid';
      byte = byteAt(bytes, pos++);
      distance = (distance + 1) * 128 + (byte & 0x7f);
    }
    header.baseDistance = distance;
  } else if (header.type === EntryType.refDelta) {
    if (pos + OID_BYTES > end) return 'incomplete';
    header.baseOidAt = pos;
    pos += OID_BYTES;
  }
  header.length = pos - at;
  return 'ok';
}

/** Entries that inflate to more than this are large: they are streamed when they arrive. */
export const MAX_INFLATED_BYTES = 1024 * 1024;

/** The most bytes that a zlib stream may take, so that no stream of empty blocks fills memory. */
export function maxDeflatedBytes(size: number): number {
  return 2 * size + 1024 * 1024;
}

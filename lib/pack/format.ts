import { ObjectType } from '../git/object.js';
import { byteAt } from './elements.js';

/**
 * The byte format of pack files: gitformat-pack(5), "pack-*.pack files have the following format".
 */
export const PACK_HEADER_BYTES = 12;
/** A pack ends with the SHA-1 of all bytes before. */
export const PACK_TRAILER_BYTES = 20;

/** The types an entry can have: an object kept whole, or a delta against a base. */
export const EntryType = { ...ObjectType, ofsDelta: 6, refDelta: 7 } as const;

/** An entry header is at most this long: 10 bytes of size, then 20 of a base's id. */
export const MAX_ENTRY_HEADER_BYTES = 32;

const PACK_SIGNATURE = 0x5041434b; // "PACK"

/** The header of a version 2 pack. */
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

/** The fields of one entry header; reused from entry to entry, because there are millions. */
export interface EntryHeader {
  /** 1–4 or a delta; the caller refuses anything else. */
  type: number;
  /** Bytes of the inflated content: the object's, or the delta's. */
  size: number;
  /** Bytes from the start of the entry to its zlib stream. */
  length: number;
  /** For `ofsDelta`: how many bytes before this entry its base begins. */
  baseDistance: number;
  /** For `refDelta`: where in the parsed buffer the base's id begins. */
  baseOidAt: number;
}

export function newEntryHeader(): EntryHeader {
  return { type: 0, size: 0, length: 0, baseDistance: 0, baseOidAt: 0 };
}

export type EntryHeaderResult = 'ok' | 'incomplete' | 'invalid';

/** Parses the entry header at `at` into `header`. Numbers beyond 2^53 are invalid. */
export function parseEntryHeader(
  bytes: Uint8Array,
  at: number,
  end: number,
  header: EntryHeader,
): EntryHeaderResult {
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
    if (pos + 20 > end) return 'incomplete';
    header.baseOidAt = pos;
    pos += 20;
  }
  header.length = pos - at;
  return 'ok';
}

/** Entries that inflate to more than this are large: they are streamed when they arrive. */
export const MAX_INFLATED_BYTES = 1024 * 1024;

/**
 * The most bytes that the zlib stream of this much content may take: far more than any encoder
 * needs. The bound keeps a stream of empty blocks out of memory.
 */
export function maxDeflatedBytes(size: number): number {
  return 2 * size + 1024 * 1024;
}

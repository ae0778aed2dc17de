import { hash } from 'node:crypto';

/** The four kinds of git object, numbered as in pack entries (gitformat-pack). */
export const ObjectType = { commit: 1, tree: 2, blob: 3, tag: 4 } as const;
export type ObjectType = (typeof ObjectType)[keyof typeof ObjectType];

export type ObjectTypeName = keyof typeof ObjectType;

const NAMES = [undefined, 'commit', 'tree', 'blob', 'tag'] as const;

/** Bytes of a SHA-1 object id. */
export const OID_BYTES = 20;
export const OID_PATTERN = /^[0-9a-f]{40}$/;

export function objectTypeName(type: ObjectType): ObjectTypeName {
  return NAMES[type];
}

export function isObjectType(value: number): value is ObjectType {
  return value >= 1 && value <= 4;
}

/** The header that is hashed before an object's content: `"<type> <size>\0"`. At most 28 bytes. */
export function objectHeader(type: ObjectType, size: number): string {
  return `${objectTypeName(type)} ${size}\0`;
}

/** Room for any object header. */
export const OBJECT_HEADER_ROOM = 32;

/**
 * Hashes the object whose content is `bytes[start, start + size)` and writes its id to
 * `oids[at, at + 20)`.
 *
 * @param bytes its object header is written to the `OBJECT_HEADER_ROOM` bytes before the content.
 */
export function hashObject(
  type: ObjectType,
  bytes: Buffer,
  start: number,
  size: number,
  oids: Uint8Array,
  at: number,
): void {
  const header = objectHeader(type, size);
  const headerStart = start - header.length;
  bytes.write(header, headerStart, 'latin1');
  // A string takes half the time of a buffer.
  const oid = hash('sha1', bytes.subarray(headerStart, start + size), 'binary');
  for (let i = 0; i < OID_BYTES; i++) oids[at + i] = oid.charCodeAt(i);
}

/** Orders two ids, each given as 20 bytes at a position. */
export function compareOids(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number): number {
  for (let i = 0; i < OID_BYTES; i++) {
    const left = a[aAt + i];
    const right = b[bAt + i];
    if (left === right) continue;
    if (left === undefined || right === undefined) throw new RangeError('an id is cut');
    return left - right;
  }
  return 0;
}

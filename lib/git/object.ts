import { hash } from 'node:crypto';

/** The four kinds of git object, numbered as in pack entries (gitformat-pack). */
export const ObjectType = { commit: 1, tree: 2, blob: 3, tag: 4 } as const;
export type ObjectType = (typeof ObjectType)[keyof typeof ObjectType];

const NAMES = [undefined, 'commit', 'tree', 'blob', 'tag'] as const;

/** Bytes of a SHA-1 object id. */
export const OID_BYTES = 20;
export const OID_PATTERN = /^[0-9a-f]{40}$/;

export function objectTypeName(type: ObjectType) {
  return NAMES[type];
}

export function isObjectType(value: number): value is ObjectType {
  return value >= 1 && value <= 4;
}

/** The header that is hashed before an object's content: at most 28 bytes. */
export function objectHeader(type: ObjectType, size: number): string {
  return `${objectTypeName(type)} ${size}\0`;
}

/** Room for any object header. */
export const OBJECT_HEADER_ROOM = 32;

/**
 * Writes the id of the object `bytes[start, start + size)` to `oids[at, at + 20)`. Overwrites up to
 * `OBJECT_HEADER_ROOM` bytes before the object.
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

/** Orders two ids: the 20 bytes at `aAt` and at `bAt`. */
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

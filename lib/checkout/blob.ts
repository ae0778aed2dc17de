import { SnapshotError } from '../errors.js';
import { ObjectType } from '../git/object.js';
import type { LocatedObject, ObjectReader } from '../pack/reader.js';

/*
 * Blobs, as against whatever object a tree entry may name in their place: git reads no other either.
 */

/** @throws SnapshotError as `ObjectReader.read`; `UPSTREAM_INVALID` for an object of another type. */
export function readBlob(reader: ObjectReader, oid: string, located?: LocatedObject): Buffer {
  const { type, data } = reader.read(oid, located);
  if (type !== ObjectType.blob) throw noBlob(oid);
  return data;
}

/** @throws SnapshotError as `ObjectReader.stream`; `UPSTREAM_INVALID` for an object of another type. */
export function streamBlob(
  reader: ObjectReader,
  oid: string,
  located: LocatedObject,
): AsyncIterable<Buffer> {
  if (reader.typeOf(oid) !== ObjectType.blob) throw noBlob(oid);
  return reader.stream(oid, located);
}

function noBlob(oid: string): SnapshotError {
  return new SnapshotError('UPSTREAM_INVALID', `${oid} is no blob`);
}

import { SnapshotError } from '../errors.js';
import { ObjectType } from '../git/object.js';
import { MAX_PATH_BYTES } from '../git/path-safety.js';
import type { LocatedObject, ObjectReader } from '../pack/reader.js';

/** @throws SnapshotError as `ObjectReader.read`; `UPSTREAM_INVALID` if it is no blob. */
export function readBlob(reader: ObjectReader, oid: string, located?: LocatedObject): Buffer {
  const { type, data } = reader.read(oid, located);
  if (type !== ObjectType.blob) throw noBlob(oid);
  return data;
}

/** @throws SnapshotError as `ObjectReader.stream`; `UPSTREAM_INVALID` if it is no blob. */
export function streamBlob(
  reader: ObjectReader,
  oid: string,
  located: LocatedObject,
): AsyncIterable<Buffer> {
  if (reader.typeOf(oid) !== ObjectType.blob) throw noBlob(oid);
  return located.pack.stream(located.offset, oid);
}

/** As latin1. @throws SnapshotError `REPOSITORY_INVALID` if it is impossible; as `readBlob`. */
export function readSymlinkTarget(
  reader: ObjectReader,
  { path, oid }: { readonly path: string; readonly oid: string },
  located: LocatedObject | undefined,
): string {
  const impossible = () => refusedPath(path, 'is a symlink without a possible target');
  const size = located?.wholeSize;
  if (size !== undefined && size > MAX_PATH_BYTES) throw impossible();
  const target = readBlob(reader, oid, located);
  if (target.length === 0 || target.length > MAX_PATH_BYTES || target.includes(0)) {
    throw impossible();
  }
  return target.toString('latin1');
}

/** @param path bytes as latin1. */
export function refusedPath(path: string, why: string): SnapshotError {
  const shown = JSON.stringify(Buffer.from(path, 'latin1').toString());
  return new SnapshotError('REPOSITORY_INVALID', `the tree entry ${shown} ${why}`);
}

function noBlob(oid: string): SnapshotError {
  return new SnapshotError('UPSTREAM_INVALID', `${oid} is no blob`);
}

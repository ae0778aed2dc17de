import { MAX_PATH_BYTES } from '../git/path-safety.js';
import type { LocatedObject, ObjectReader } from '../pack/reader.js';
import { readBlob } from './blob.js';
import { refusedPath } from './refused-path.js';

/**
 * Where a symlink leads.
 *
 * @param oid of the blob that says so.
 * @returns bytes as latin1.
 * @throws SnapshotError `REPOSITORY_INVALID` for a target that can't be; as `readBlob`.
 */
export function readSymlinkTarget(
  reader: ObjectReader,
  { path, oid }: { readonly path: string; readonly oid: string },
  located: LocatedObject | undefined,
): string {
  const impossible = () => refusedPath(path, 'is a symlink without a possible target');
  if ((located?.wholeSize ?? 0) > MAX_PATH_BYTES) throw impossible();
  const target = readBlob(reader, oid, located);
  if (target.length === 0 || target.length > MAX_PATH_BYTES || target.includes(0)) {
    throw impossible();
  }
  return target.toString('latin1');
}

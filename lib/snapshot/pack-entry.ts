import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { ArchiveFile } from '../archive/archive-file.js';
import { SnapshotError } from '../errors.js';
import { WindowedFile } from '../pack/windowed-file.js';

/** Packs and idx files both end with the SHA-1 of everything before. */
const TRAILER_BYTES = 20;

/**
 * Adds a pack and its idx as they lie on disk. Neither compresses.
 *
 * Both are hashed as they pass: what went wrong on disk since they were verified is not published.
 *
 * @throws SnapshotError `INTERNAL` when one of them is not what its trailer and its name say.
 */
export function addPack(
  archive: ArchiveFile,
  directory: string,
  name: string,
  mtime: number,
): void {
  const checksum = addHashedFile(archive, directory, `${name}.pack`, mtime);
  if (name !== `pack-${checksum}`) throw damaged(`${name}.pack`);
  addHashedFile(archive, directory, `${name}.idx`, mtime);
}

/** @returns the file's checksum, in hex. */
function addHashedFile(
  archive: ArchiveFile,
  directory: string,
  name: string,
  mtime: number,
): string {
  const file = new WindowedFile(join(directory, name));
  try {
    const { size } = file;
    const hashedBytes = size - TRAILER_BYTES;
    const hash = createHash('sha1');
    const trailer = Buffer.alloc(TRAILER_BYTES);
    const path = `./.git/objects/pack/${name}`;
    archive.addIncompressible(
      { path, kind: 'file', mode: 0o444, size, mtime },
      (target, offset) => {
        file.readInto(target, offset);
        const hashed = Math.min(Math.max(hashedBytes - offset, 0), target.length);
        hash.update(target.subarray(0, hashed));
        if (hashed < target.length) target.copy(trailer, offset + hashed - hashedBytes, hashed);
      },
    );
    const checksum = hash.digest();
    if (!checksum.equals(trailer)) throw damaged(name);
    return checksum.toString('hex');
  } finally {
    file.close();
  }
}

function damaged(name: string): SnapshotError {
  return new SnapshotError('INTERNAL', `${name} of the mirror is damaged`);
}

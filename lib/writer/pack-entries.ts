import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import type { ContentChecksum, NewContentChecksum } from '../archive/content-checksum.js';
import { storedEntry } from '../archive/stored-entry.js';
import { damagedFile } from '../fs/errors.js';
import { PACK_TRAILER_BYTES } from '../pack/format.js';
import { WindowedFile } from '../pack/windowed-file.js';

/**
 * The archive's entries for a pack and its idx, hashed while they are copied: the disk may have
 * damaged a file since it was verified.
 *
 * @param path without ending.
 * @returns pieces of zstd frames; each is valid until the next is read.
 * @throws SnapshotError `MIRROR_CORRUPTED` when the bytes do not match the trailer or the name.
 */
export function* packEntries(
  path: string,
  mtime: number,
  newChecksum: NewContentChecksum,
): Generator<Buffer> {
  const checksum = yield* hashedFile(`${path}.pack`, mtime, newChecksum());
  if (basename(path) !== `pack-${checksum}`) throw damagedFile(`${path}.pack`);
  yield* hashedFile(`${path}.idx`, mtime, newChecksum());
}

/** @returns the file's checksum, in hex. */
function* hashedFile(
  path: string,
  mtime: number,
  checksum: ContentChecksum,
): Generator<Buffer, string, undefined> {
  const file = new WindowedFile(path);
  try {
    const { size } = file;
    const hashedBytes = size - PACK_TRAILER_BYTES;
    const hash = createHash('sha1');
    const trailer = Buffer.alloc(PACK_TRAILER_BYTES);
    const name = `./.git/objects/pack/${basename(path)}`;
    const entry = { path: name, kind: 'file', mode: 0o444, size, mtime } as const;
    yield* storedEntry(entry, checksum, (target, offset) => {
      file.readInto(target, offset);
      const hashed = Math.min(Math.max(hashedBytes - offset, 0), target.length);
      hash.update(target.subarray(0, hashed));
      if (hashed < target.length) target.copy(trailer, offset + hashed - hashedBytes, hashed);
    });
    const digest = hash.digest();
    if (!digest.equals(trailer)) throw damagedFile(path);
    return digest.toString('hex');
  } finally {
    file.close();
  }
}

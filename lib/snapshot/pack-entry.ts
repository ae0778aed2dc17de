import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { storedEntry } from '../archive/stored-entry.js';
import { SnapshotError } from '../errors.js';
import { WindowedFile } from '../pack/windowed-file.js';

/** Packs and idx files both end with the SHA-1 of everything before. */
const TRAILER_BYTES = 20;

/**
 * The archive's entries for a pack and its idx, as they lie on disk. Neither compresses.
 *
 * Both are hashed as they pass: what went wrong on disk since they were verified is not published.
 *
 * @returns pieces of zstd frames, each valid until the next one is asked for.
 * @throws SnapshotError `INTERNAL` when one of them is not what its trailer and its name say.
 */
export function* packEntries(directory: string, name: string, mtime: number): Generator<Buffer> {
  const checksum = yield* hashedFile(directory, `${name}.pack`, mtime);
  if (name !== `pack-${checksum}`) throw damaged(`${name}.pack`);
  yield* hashedFile(directory, `${name}.idx`, mtime);
}

/** Returns the file's checksum, in hex. */
function* hashedFile(
  directory: string,
  name: string,
  mtime: number,
): Generator<Buffer, string, undefined> {
  const file = new WindowedFile(join(directory, name));
  try {
    const { size } = file;
    const hashedBytes = size - TRAILER_BYTES;
    const hash = createHash('sha1');
    const trailer = Buffer.alloc(TRAILER_BYTES);
    const path = `./.git/objects/pack/${name}`;
    yield* storedEntry({ path, kind: 'file', mode: 0o444, size, mtime }, (target, offset) => {
      file.readInto(target, offset);
      const hashed = Math.min(Math.max(hashedBytes - offset, 0), target.length);
      hash.update(target.subarray(0, hashed));
      if (hashed < target.length) target.copy(trailer, offset + hashed - hashedBytes, hashed);
    });
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

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { isDamage, SnapshotError } from '../../errors.js';
import { damagedFile, readFailure } from '../../fs/errors.js';
import { PACK_TRAILER_BYTES } from '../../pack/format.js';
import { packPaths, refsPath } from './layout.js';
import {
  type Ends,
  IDX_HEAD_BYTES,
  isWholePack,
  PACK_HEAD_BYTES,
  TAIL_BYTES,
} from './pack-ends.js';
import { type MirrorRevision, packsOf, type RevisionOnDisk } from './revision.js';

/**
 * Checks that the files of a revision are complete and belong together. Reads only both ends of
 * each file: readers check the content.
 *
 * @returns bytes of all packs and their idx files.
 * @throws SnapshotError `MIRROR_CORRUPTED`; another code when files can't be read at the moment.
 */
export async function inspectMirror(directory: string, revision: MirrorRevision): Promise<number> {
  try {
    await stat(refsPath(directory, revision.digest));
    let bytes = 0;
    for (const path of packPaths(directory, packsOf(revision))) {
      bytes += await inspectPack(path);
    }
    return bytes;
  } catch (error) {
    throw readFailure(error);
  }
}

/**
 * Finds the damage that made a read of a revision fail; `undefined` when there is none. Hashes all
 * idx files if an object was missing (`UPSTREAM_INVALID`): either the upstream never sent it, or
 * its id in an idx has changed.
 */
export async function findDamage(
  { directory, revision }: RevisionOnDisk,
  error: unknown,
): Promise<SnapshotError | undefined> {
  if (isDamage(error)) return error;
  if (!SnapshotError.is(error, 'UPSTREAM_INVALID')) return undefined;
  try {
    await inspectMirror(directory, revision);
    for (const path of packPaths(directory, packsOf(revision))) {
      await verifyChecksum(`${path}.idx`);
    }
    return undefined;
  } catch (cause) {
    const failure = readFailure(cause);
    if (isDamage(failure)) return failure;
    throw failure;
  }
}

async function inspectPack(path: string): Promise<number> {
  const pack = await readEnds(`${path}.pack`, PACK_HEAD_BYTES);
  const idx = await readEnds(`${path}.idx`, IDX_HEAD_BYTES);
  if (!isWholePack(path, pack, idx)) throw damagedFile(path);
  return pack.size + idx.size;
}

async function readEnds(path: string, headBytes: number): Promise<Ends> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const head = await read(file, headBytes, 0);
    const tail = await read(file, TAIL_BYTES, Math.max(size - TAIL_BYTES, 0));
    return { size, head, tail };
  } finally {
    await file.close();
  }
}

/** A file ends with the SHA-1 of all bytes before: gitformat-pack(5). */
async function verifyChecksum(path: string): Promise<void> {
  const { size, tail } = await readEnds(path, 0);
  const hash = createHash('sha1');
  const content = createReadStream(path, { end: size - PACK_TRAILER_BYTES - 1 });
  for await (const chunk of content) hash.update(chunk);
  if (!hash.digest().equals(tail.subarray(-PACK_TRAILER_BYTES))) throw damagedFile(path);
}

async function read(file: FileHandle, length: number, position: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}

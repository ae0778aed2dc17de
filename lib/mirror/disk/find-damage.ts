import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { isDamage, SnapshotError } from '../../errors.js';
import { damagedFile, readFailure } from '../../fs/errors.js';
import type { RevisionAt } from '../mirror.js';
import { inspectMirror } from './integrity.js';
import { packPaths } from './layout.js';
import { packsOf } from './revision.js';

const CHECKSUM_BYTES = 20;

/**
 * Finds the damage that reading a revision failed by. What is not to be found may be missing because the
 * upstream never sent it, or because an idx has another id in its place: all of these are hashed then. Cost:
 * reading them, in pieces.
 *
 * @returns `undefined` when the failure has another cause.
 */
export async function findDamage(
  { directory, revision }: RevisionAt,
  error: unknown,
): Promise<SnapshotError | undefined> {
  if (isDamage(error)) return error;
  if (!(error instanceof SnapshotError) || error.code !== 'UPSTREAM_INVALID') return undefined;
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

/** The SHA-1 of all that comes before ends the file: gitformat-pack(5). */
async function verifyChecksum(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    const end = (await file.stat()).size - CHECKSUM_BYTES;
    const hash = createHash('sha1');
    const content = file.createReadStream({ start: 0, end: end - 1, autoClose: false });
    for await (const piece of content) hash.update(piece);
    const { buffer } = await file.read(Buffer.alloc(CHECKSUM_BYTES), 0, CHECKSUM_BYTES, end);
    if (hash.digest().equals(buffer)) return;
    throw damagedFile(path);
  } finally {
    await file.close();
  }
}

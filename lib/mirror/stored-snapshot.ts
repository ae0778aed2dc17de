import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { unlessAborted } from '../async/abort.js';
import { SnapshotError } from '../errors.js';
import type { RepositoryId } from '../repository/identity.js';

/** The archive of all of a repository, as it is stored. */
export interface StoredSnapshot {
  readonly body: Readable;
  /** To be called when it turns out to be damaged. */
  damaged(): void;
}

export interface StoredSnapshots {
  /** `undefined` when nothing is stored. */
  open(repository: RepositoryId, signal: AbortSignal): Promise<StoredSnapshot | undefined>;
}

export interface CopiedSnapshot extends Pick<StoredSnapshot, 'damaged'> {
  readonly path: string;
}

/**
 * Copies a stored snapshot to a file, where a worker thread can read it.
 *
 * @param stallTimeout milliseconds in which the store has to send something.
 * @returns `undefined` when there is none.
 * @throws whatever the store or the file system does, when nothing is left of the file; the signal's reason.
 */
export async function copyStoredSnapshot(
  snapshots: StoredSnapshots,
  repository: RepositoryId,
  path: string,
  stallTimeout: number,
  signal: AbortSignal,
): Promise<CopiedSnapshot | undefined> {
  const snapshot = await unlessAborted(snapshots.open(repository, signal), signal);
  if (snapshot === undefined) return undefined;
  const archive = snapshot.body;
  const stalled = new SnapshotError('STORE_FAILED', `nothing was sent for ${stallTimeout} ms`);
  const timer = setTimeout(() => archive.destroy(stalled), stallTimeout);
  async function* watched(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      timer.refresh();
      yield chunk;
    }
  }
  try {
    await pipeline(archive, watched, createWriteStream(path, { flags: 'wx' }), { signal });
    return { path, damaged: () => snapshot.damaged() };
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

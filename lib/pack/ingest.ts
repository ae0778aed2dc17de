import { closeSync, openSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { writeFully } from '../fs/sync-io.js';
import { encodeIdx } from './encode-idx.js';
import { invalid } from './errors.js';
import type { IngestProgress } from './ingest-progress.js';
import type { IngestLimits } from './limits.js';
import { type ReceivedPack, receivePack } from './receive-pack.js';
import { ResolverPool } from './resolver-pool.js';
import { completeThinPack, type DeltaBases } from './thin-pack.js';

/** A pack on disk with its idx; each of its objects was hashed. */
export interface IngestedPack {
  /** `pack-{checksum}`: the name of both files without ending. */
  readonly name: string;
  readonly objects: number;
  /** Bytes. */
  readonly size: number;
}

export function totalsOf(packs: readonly IngestedPack[]): { objects: number; packBytes: number } {
  const totals = { objects: 0, packBytes: 0 };
  for (const { objects, size } of packs) {
    totals.objects += objects;
    totals.packBytes += size;
  }
  return totals;
}

export interface IngestOptions {
  /** Called about once a MiB while the pack arrives, and when it has arrived. */
  onProgress?: (progress: IngestProgress) => void;
  /** Default: the call starts threads, and ends them. */
  threads?: ResolverPool;
  /** Completes thin packs, as `git index-pack --fix-thin` does. Default: they are refused. */
  bases?: DeltaBases;
}

/**
 * Writes an arriving pack into `directory` and indexes it, as `git index-pack --stdin` does. Never
 * holds the pack in memory. After a failure the owner of the directory removes the files.
 *
 * @throws SnapshotError `UPSTREAM_INVALID`, `LIMIT_EXCEEDED`, and errors of `source`.
 */
export async function ingestPack(
  source: AsyncIterable<Uint8Array>,
  directory: string,
  limits: IngestLimits,
  { onProgress = () => {}, threads, bases }: IngestOptions = {},
): Promise<IngestedPack> {
  const pool = threads ?? new ResolverPool();
  const fds: number[] = [];
  try {
    const path = join(directory, 'arriving.pack');
    let pack = await receivePack(source, path, limits, pool, onProgress);
    fds.push(pack.fd);
    if (pack.unresolved > 0) {
      if (bases === undefined) throw invalid(`${pack.unresolved} deltas have no base in the pack`);
      pack = await completeThinPack(pack, bases, limits, pool);
      fds.push(pack.fd);
    }
    return publish(pack, directory);
  } finally {
    for (const fd of fds) closeSync(fd);
    if (threads === undefined) await pool.close();
  }
}

/** Writes the idx, and gives both files their names: the idx last, as git finds packs by it. */
function publish({ pack, path, repeatsBase }: ReceivedPack, directory: string): IngestedPack {
  // git refuses this as well: if one of the two is a delta, it could be based on itself.
  if (repeatsBase) throw invalid('the pack has a delta base twice');
  const name = `pack-${pack.checksum.toString('hex')}`;
  const idx = join(directory, 'arriving.idx');
  const fd = openSync(idx, 'wx', 0o444);
  try {
    for (const piece of encodeIdx(pack, pack.checksum)) writeFully(fd, piece);
  } finally {
    closeSync(fd);
  }
  renameSync(path, join(directory, `${name}.pack`));
  renameSync(idx, join(directory, `${name}.idx`));
  return { name, objects: pack.count, size: pack.size };
}

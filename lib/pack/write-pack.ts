import { join } from 'node:path';
import { interruptible } from '../async/abort.js';
import { SnapshotError } from '../errors.js';
import { encodePack } from './encode-pack.js';
import { type IngestedPack, ingestPack } from './ingest.js';
import type { IngestLimits } from './limits.js';
import type { ObjectMemory } from './object-memory.js';
import type { ObjectSet } from './object-set.js';
import { type ObjectReader, withReader } from './reader.js';
import type { ResolverPool } from './resolver-pool.js';

export interface WritePackContext {
  readonly limits: IngestLimits;
  readonly threads: ResolverPool;
  /** For reading objects. */
  readonly memory: ObjectMemory;
  readonly signal: AbortSignal;
}

/**
 * Writes objects of a reader into one pack with its idx. The new pack is indexed like one that
 * arrives: each object is hashed, and none may be missing.
 *
 * @throws SnapshotError `MIRROR_CORRUPTED`, `LIMIT_EXCEEDED`, `STORAGE_FULL`; the signal's reason
 */
export async function writePack(
  reader: ObjectReader,
  objects: ObjectSet,
  directory: string,
  { limits, threads, memory, signal }: WritePackContext,
): Promise<IngestedPack> {
  const pieces = interruptible(encodePack(reader, objects), signal);
  const pack = await ingestPack(pieces, directory, limits, { threads });
  await withReader([join(directory, pack.name)], { limits, memory }, (written) => {
    for (const number of objects) {
      if (written.has(reader.oidOf(number))) continue;
      throw new SnapshotError('INTERNAL', 'an object was lost when a pack was written');
    }
  });
  return pack;
}

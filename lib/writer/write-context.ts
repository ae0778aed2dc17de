import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { SnapshotError } from '../errors.js';
import type { MirrorTask } from '../mirror/disk/revision.js';
import type { ObjectMemory } from '../pack/object-memory.js';
import type { ObjectSet } from '../pack/object-set.js';
import type { ObjectReader } from '../pack/reader.js';
import type { ResolverPool } from '../pack/resolver-pool.js';
import { writePack } from '../pack/write-pack.js';
import type { CheckoutPool } from './checkout-thread.js';

/** The common part of tasks; structured-cloneable. */
export interface ArtifactTask extends MirrorTask {
  /** The file to write. It is empty, and the caller removes it. */
  readonly path: string;
  /** A directory that the task may create, for one pack. The caller removes it. */
  readonly scratch: string;
}

export type WriteEvent =
  /** Sent before the first byte. */
  | {
      readonly kind: 'planned';
      readonly etag: string;
      readonly commit: string | undefined;
      readonly basis: string;
    }
  /** The file has `bytes` bytes that may be sent to clients. */
  | { readonly kind: 'written'; readonly bytes: number };

/** `unchanged`: the stored artifact has the same basis, and nothing was written. Size in bytes. */
export type WriteResult = { readonly size: number } | 'unchanged';

/** Such an error is harmless to the thread: clients may request any name. */
export function isNotFound(error: unknown): error is SnapshotError {
  if (!SnapshotError.is(error)) return false;
  return error.code === 'REF_NOT_FOUND' || error.code === 'BASE_NOT_FOUND';
}

/** Resources of a worker thread. */
export interface WriteContext {
  emit(event: WriteEvent): void;
  /** Checked after each piece of a pack, and after each frame. */
  readonly signal: AbortSignal;
  /** For checkouts that are worth a second thread. */
  readonly checkouts: CheckoutPool;
  /** For indexing new packs. */
  readonly threads: ResolverPool;
  /** For reading objects. */
  readonly memory: ObjectMemory;
}

/** Writes a pack of these objects into the scratch directory. @returns its path, without ending. */
export async function writeScratchPack(
  { scratch, limits }: ArtifactTask,
  context: WriteContext,
  reader: ObjectReader,
  objects: ObjectSet,
): Promise<string> {
  mkdirSync(scratch);
  const pack = await writePack(reader, objects, scratch, { ...context, limits });
  return join(scratch, pack.name);
}

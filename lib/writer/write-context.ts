import { SnapshotError } from '../errors.js';
import type { MirrorTask } from '../mirror/disk/revision.js';
import type { ObjectMemory } from '../pack/object-memory.js';
import type { ResolverPool } from '../pack/resolver-pool.js';
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

/** Clients may request any name, so a thread is kept after such an error. */
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

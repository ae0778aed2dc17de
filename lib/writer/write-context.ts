import { type SerializedError, SnapshotError } from '../errors.js';
import type { ObjectMemory } from '../pack/object-memory.js';
import type { ResolverPool } from '../pack/resolver-pool.js';
import type { CheckoutPool } from './checkout-thread.js';

export type WriteEvent =
  /** Sent before the first byte: identifies the artifact, and what it is built from (`basis`). */
  | {
      readonly kind: 'planned';
      readonly etag: string;
      readonly commit: string | undefined;
      readonly basis: string;
    }
  /** The file has `bytes` bytes that may be sent to clients. */
  | { readonly kind: 'written'; readonly bytes: number };

/** The size in bytes; or `unchanged`: the stored artifact has the same basis, and nothing was written. */
export type WriteResult = { readonly size: number } | 'unchanged';

/** The result, or the error that there is no such ref or commit. */
export type WriteAnswer = WriteResult | { readonly notFound: SerializedError };

/** Whether the ref or commit does not exist. Clients may ask for any name, so this must not cost a thread. */
export function isNotFound(error: unknown): error is SnapshotError {
  if (!(error instanceof SnapshotError)) return false;
  return error.code === 'REF_NOT_FOUND' || error.code === 'BASE_NOT_FOUND';
}

/** What writers of artifacts use. */
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

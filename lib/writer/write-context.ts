import { type SerializedError, SnapshotError } from '../errors.js';
import type { ObjectMemory } from '../pack/object-memory.js';
import type { ResolverPool } from '../pack/resolver-pool.js';
import type { CheckoutPool } from './checkout-thread.js';

export type WriteEvent =
  /** Before the first byte: what the artifact will be, and what it follows from. */
  | {
      readonly kind: 'planned';
      readonly etag: string;
      readonly commit: string | undefined;
      readonly basis: string;
    }
  /** So many bytes lie in the file, and may be shown. */
  | { readonly kind: 'written'; readonly bytes: number };

/** Bytes of the whole artifact; or that what is stored is still what would be written. */
export type WriteResult = { readonly size: number } | 'unchanged';

/** The same, or that there is no such ref or commit. */
export type WriteAnswer = WriteResult | { readonly notFound: SerializedError };

/** Clients may ask for anything: that it is not there is no failure, and costs no thread. */
export function isNotFound(error: unknown): error is SnapshotError {
  if (!(error instanceof SnapshotError)) return false;
  return error.code === 'REF_NOT_FOUND' || error.code === 'BASE_NOT_FOUND';
}

/** What artifacts are written with. */
export interface WriteContext {
  emit(event: WriteEvent): void;
  /** Looked at after each piece of a pack, and after each frame. */
  readonly signal: AbortSignal;
  /** Where a checkout is made when a second thread is worth it. */
  readonly checkouts: CheckoutPool;
  /** For indexing what is written of a mirror's packs. */
  readonly threads: ResolverPool;
  /** For inflating. */
  readonly memory: ObjectMemory;
}

import type { SnapshotError } from '../errors.js';
import type { RepositoryId } from '../repository.js';
import type { StoreFailure } from '../stores/store.js';
import type { FetchProgress } from '../upstream/fetch-pack.js';

interface About {
  readonly repository: RepositoryId;
}

/**
 * What a service tells its host, by event name. Listeners run synchronously: they should be quick. What they
 * throw is a warning of the process and disturbs nobody.
 */
export interface SnapshotEvents {
  /** Something stored was opened. */
  hit: [About & { readonly etag: string; readonly size: number }];
  /** Nothing was stored, or not to be served any more; `joined`: its generation was already running. */
  miss: [About & { readonly joined: boolean }];
  cloneStarted: [About];
  /** Of a clone, or of the fetch of a refresh. */
  cloneProgress: [About & { readonly progress: FetchProgress }];
  /** So much was fetched; packs of `restoredBytes` came from the stored snapshot. */
  cloneFinished: [
    About & {
      readonly milliseconds: number;
      readonly objects: number;
      readonly packBytes: number;
      readonly restoredBytes: number;
    },
  ];
  /** The stored snapshot was not to be had, or not whole: a clone fetches all from the upstream. */
  restoreFailed: [About & { readonly error: SnapshotError }];
  cloneFailed: [About & { readonly milliseconds: number; readonly error: SnapshotError }];
  /** The upstream was asked what is new. `changed`: refs moved; `packBytes` were fetched. */
  refreshed: [
    About & {
      readonly milliseconds: number;
      readonly changed: boolean;
      readonly objects: number;
      readonly packBytes: number;
    },
  ];
  /**
   * The upstream has refused a repository for longer than `forgetAfter`: its mirror and all that is stored of it
   * were deleted. `error`: of what could not be, which is tried again.
   */
  forgotten: [About & { readonly error: SnapshotError | undefined }];
  /** The upstream could not be asked, or what it sent was refused. What is stored is served on. */
  refreshFailed: [About & { readonly milliseconds: number; readonly error: SnapshotError }];
  /** Packs of a mirror were put together; `packs`: so many are left. */
  consolidated: [About & { readonly milliseconds: number; readonly packs: number }];
  /** They could not be, or could not be checked. */
  consolidationFailed: [About & { readonly milliseconds: number; readonly error: SnapshotError }];
  /** A mirror was removed, to stay within the budget or because the host said so. */
  mirrorEvicted: [About & { readonly bytes: number }];
  /**
   * A mirror was found damaged or incomplete, and removed; it will be cloned anew. `repository`: `undefined`
   * when the service starts and one can't be read at the moment, which is left as it is.
   */
  mirrorBroken: [{ readonly repository: RepositoryId | undefined; readonly error: SnapshotError }];
  generationStarted: [About & { readonly etag: string; readonly commit: string | undefined }];
  generationFinished: [About & { readonly milliseconds: number; readonly size: number }];
  /** For good: not of an attempt after which another one succeeds. `milliseconds`: of all of them. */
  generationFailed: [About & { readonly milliseconds: number; readonly error: SnapshotError }];
  /** A snapshot was streamed to whoever waited for it, but the store did not take it. */
  storeFailed: [About & { readonly error: SnapshotError }];
  /** A tier of a `TieredStore` failed, and the other one made up for it. */
  storeDegraded: [StoreFailure];
  /** A stored snapshot was deleted, or dropped by the default store to stay within its budget. */
  evicted: [{ readonly key: string }];
}

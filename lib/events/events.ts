import type { SnapshotError } from '../errors.js';
import type { RepositoryId } from '../repository.js';
import type { FetchProgress } from '../upstream/fetch-pack.js';

interface About {
  readonly repository: RepositoryId;
}

/**
 * The events of a service. Listeners run synchronously, so they should be quick. An error that a
 * listener throws becomes a warning of the process, and affects nothing else.
 */
export interface SnapshotEvents {
  /** A stored artifact was opened. */
  hit: [About & { readonly etag: string; readonly size: number }];
  /** No artifact was stored that may be served. `joined`: its build was already running. */
  miss: [About & { readonly joined: boolean }];
  cloneStarted: [About];
  /** Progress of a clone or fetch. */
  cloneProgress: [About & { readonly progress: FetchProgress }];
  /** `objects` and `packBytes` were fetched; `restoredBytes` came from the stored snapshot. */
  cloneFinished: [
    About & {
      readonly milliseconds: number;
      readonly objects: number;
      readonly packBytes: number;
      readonly restoredBytes: number;
    },
  ];
  /** The stored snapshot could not be read, or was incomplete: the clone fetches everything. */
  restoreFailed: [About & { readonly error: SnapshotError }];
  cloneFailed: [About & { readonly milliseconds: number; readonly error: SnapshotError }];
  /**
   * The upstream was checked. `changed`: refs differ from what this process knew. `packBytes`:
   * bytes that were fetched; 0 if nothing was missing.
   */
  refreshed: [
    About & {
      readonly milliseconds: number;
      readonly changed: boolean;
      readonly objects: number;
      readonly packBytes: number;
    },
  ];
  /**
   * The upstream has refused a repository for longer than `forgetAfter`: its mirror and stored
   * artifacts were deleted. `error`: some could not be deleted; the service tries again.
   */
  forgotten: [About & { readonly error: SnapshotError | undefined }];
  /** The check or fetch failed. The service goes on serving stored artifacts. */
  refreshFailed: [About & { readonly milliseconds: number; readonly error: SnapshotError }];
  /** Packs of a mirror were consolidated; `packs`: how many remain. */
  consolidated: [About & { readonly milliseconds: number; readonly packs: number }];
  /** The consolidation or a connectivity check of a mirror failed. */
  consolidationFailed: [About & { readonly milliseconds: number; readonly error: SnapshotError }];
  /** A mirror was removed, to stay within the budget or on request. */
  mirrorEvicted: [About & { readonly bytes: number }];
  /**
   * A damaged or incomplete mirror was discarded; it will be cloned again. `repository` is
   * `undefined` if a mirror can't be read when the service starts; it is left as it is.
   */
  mirrorBroken: [{ readonly repository: RepositoryId | undefined; readonly error: SnapshotError }];
  generationStarted: [About & { readonly etag: string; readonly commit: string | undefined }];
  generationFinished: [About & { readonly milliseconds: number; readonly size: number }];
  /** A build failed, after all attempts. `milliseconds`: of all attempts. */
  generationFailed: [About & { readonly milliseconds: number; readonly error: SnapshotError }];
  /**
   * The store did not take an artifact; clients got it all the same. Or the store took a variant,
   * but did not list or delete the variants above `maxVariants`.
   */
  storeFailed: [About & { readonly error: SnapshotError }];
  /** A stored artifact was deleted, or evicted by the default store to stay within its budget. */
  evicted: [{ readonly key: string }];
}

import type { SnapshotError } from '../errors.js';
import type { RepositoryId } from '../repository.js';
import type { FetchProgress } from '../upstream/fetch-pack.js';

interface About {
  readonly repository: RepositoryId;
}

type Timed = About & { readonly milliseconds: number };
type Failed = Timed & { readonly error: SnapshotError };

/**
 * The events of a service. Listeners run synchronously, so they should be quick. Their errors
 * become warnings of the process, and affect nothing else.
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
    Timed & {
      readonly objects: number;
      readonly packBytes: number;
      readonly restoredBytes: number;
    },
  ];
  /** The stored snapshot could not be read, or was incomplete: the clone fetches everything. */
  restoreFailed: [About & { readonly error: SnapshotError }];
  cloneFailed: [Failed];
  /**
   * The upstream was checked. `changed`: refs differ from what this process knew. `packBytes`: how
   * many were fetched; 0 if nothing was missing.
   */
  refreshed: [
    Timed & {
      readonly changed: boolean;
      readonly objects: number;
      readonly packBytes: number;
    },
  ];
  /**
   * The upstream has refused a repository for over `forgetAfter`: its mirror and stored artifacts
   * were deleted. `error`: some could not be deleted; the service tries again.
   */
  forgotten: [About & { readonly error: SnapshotError | undefined }];
  /** The check or fetch failed. The service goes on serving stored artifacts. */
  refreshFailed: [Failed];
  /** Packs of a mirror were consolidated; `packs`: how many remain. */
  consolidated: [Timed & { readonly packs: number }];
  /** The consolidation or a connectivity check of a mirror failed. */
  consolidationFailed: [Failed];
  /** A mirror was removed, to stay within the budget or on request. */
  mirrorEvicted: [About & { readonly bytes: number }];
  /**
   * A damaged or incomplete mirror was discarded; it will be cloned again. No `repository`: at the
   * start, the service could not read a mirror; it is left as it is.
   */
  mirrorBroken: [{ readonly repository: RepositoryId | undefined; readonly error: SnapshotError }];
  generationStarted: [About & { readonly etag: string; readonly commit: string | undefined }];
  generationFinished: [Timed & { readonly size: number }];
  /** A build failed, after all attempts. `milliseconds`: of all attempts. */
  generationFailed: [Failed];
  /**
   * The store did not take an artifact, which clients got all the same; or it took a variant, but
   * did not list or delete the variants above `maxVariants`.
   */
  storeFailed: [About & { readonly error: SnapshotError }];
  /** A stored artifact was deleted, or evicted by the default store to stay within its budget. */
  evicted: [{ readonly key: string }];
}

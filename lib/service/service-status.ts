import type { StoredArtifact } from '../artifact/artifact.js';
import type { LoadCounts } from '../async/load.js';
import type { SnapshotError } from '../errors.js';
import type { RepositoryId } from '../repository.js';
import type { ThreadCounts } from '../workers/thread-counts.js';

/** The state of a repository in this service. Times are in milliseconds since the epoch. */
export interface RepositoryStatus {
  readonly repository: RepositoryId;
  /** `undefined` when there is no mirror. */
  readonly mirror:
    | {
        readonly state: 'cloning' | 'ready';
        /** The bytes of its packs and idx files. */
        readonly bytes: number;
        readonly packs: number;
        /** HEAD's commit. */
        readonly commit: string | undefined;
      }
    | undefined;
  /** The default snapshot; `undefined` when none is stored. */
  readonly stored: StoredArtifact | undefined;
  /** Whether the stored snapshot is current, as far as is known. */
  readonly isCurrent: boolean;
  /** When a client last requested the repository; `undefined` if no client did. */
  readonly requestedAt: number | undefined;
  /** When the last successful check began; `undefined` if there was none. */
  readonly checkedAt: number | undefined;
  /** The failure of the last check; `undefined` if it succeeded. */
  readonly error: SnapshotError | undefined;
}

/** What a service keeps on the disk of `dataDir`, in bytes. */
export interface DiskUsage {
  /** The mirrors that were found so far, and `budgets.maxMirrorBytes`. */
  readonly mirrors: { readonly bytes: number; readonly maxBytes: number };
  /** The default store, and `budgets.maxStoreBytes`; `undefined` if the host app brought the store. */
  readonly store: { readonly bytes: number; readonly maxBytes: number } | undefined;
  /** The whole disk, with all else that is on it; `undefined` if the file system does not tell. */
  readonly disk: { readonly freeBytes: number; readonly bytes: number } | undefined;
}

/** The state of a service at this moment, for gauges. Events report what happens in between. */
export interface ServiceStats {
  /** Repositories that have a mirror, or that clients have requested. */
  readonly repositories: number;
  /** Mirrors that are ready, and the bytes of their packs and idx files. */
  readonly mirrors: { readonly count: number; readonly bytes: number };
  /** Clones of upstreams. */
  readonly clones: LoadCounts;
  /** Checks of upstreams, and fetches. */
  readonly fetches: LoadCounts;
  /** Queries to mirrors, for `ensureRefs` and `isHead`. */
  readonly queries: LoadCounts;
  /** Repacks and connectivity checks of mirrors. */
  readonly repacks: LoadCounts;
  /**
   * Builds. `running` write their artifact or store it; `queued` wait for a lock, their mirror or
   * their turn.
   */
  readonly builds: LoadCounts;
  /** Worker threads: those that clone, fetch, query and repack mirrors, and those that build. */
  readonly threads: { readonly mirrors: ThreadCounts; readonly builds: ThreadCounts };
}

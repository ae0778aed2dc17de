import type { SnapshotError } from './errors.js';
import type { CloneProgress } from './mirror/fetch.js';
import type { RepositoryId } from './repository/identity.js';

interface About {
  readonly repository: RepositoryId;
}

/**
 * What a service tells its host, by event name. Listeners run synchronously: they should be quick,
 * and must not throw, which would fail the work that they are told of.
 */
export interface SnapshotEvents {
  /** A stored snapshot was opened. */
  hit: [About & { readonly etag: string; readonly size: number }];
  /** No snapshot was stored; `joined`: its generation was already running. */
  miss: [About & { readonly joined: boolean }];
  cloneStarted: [About];
  cloneProgress: [About & { readonly progress: CloneProgress }];
  cloneFinished: [
    About & { readonly milliseconds: number; readonly objects: number; readonly packBytes: number },
  ];
  cloneFailed: [About & { readonly milliseconds: number; readonly error: SnapshotError }];
  generationStarted: [About & { readonly etag: string; readonly commit: string | undefined }];
  generationFinished: [About & { readonly milliseconds: number; readonly size: number }];
  generationFailed: [About & { readonly milliseconds: number; readonly error: SnapshotError }];
  /** A snapshot was streamed to whoever waited for it, but the store did not take it. */
  storeFailed: [About & { readonly error: SnapshotError }];
  /** A stored snapshot was deleted, or dropped by the default store to stay within its budget. */
  evicted: [{ readonly key: string }];
}

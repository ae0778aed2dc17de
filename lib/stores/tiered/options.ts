import type { SnapshotError } from '../../errors.js';
import type { SnapshotStore } from '../store.js';

/** A failure of one tier. Callers do not see it, because the other tier took over. */
export interface StoreFailure {
  readonly tier: 'local' | 'shared';
  /** `undefined`: the failure concerns no particular object. */
  readonly key: string | undefined;
  readonly error: SnapshotError;
}

/** The options of `TieredStore`. */
export interface TieredStoreOptions {
  /** A store of this process or machine, with no other writer. Its budget limits the copies. */
  readonly local: SnapshotStore;
  /** The store that all machines share. It decides what is stored. */
  readonly shared: SnapshotStore;
  /**
   * Milliseconds for which `open` serves a local copy without asking the shared tier whether it is
   * still current; `stat` always asks. 0: every `open` asks. A higher value saves requests. Risk:
   * an object that another machine has replaced or deleted is still served for that time.
   *
   * @default 1_000
   */
  readonly localMaxAge?: number | undefined;
  /**
   * Milliseconds within which the shared tier must answer a call, and a list must give its next
   * object. A list that stalls fails alone: the shared tier is still used.
   *
   * @default 5_000
   */
  readonly responseTimeout?: number | undefined;
  /**
   * Milliseconds for the next bytes of a read or write, or for a write to end, in either tier.
   *
   * @default 60_000
   */
  readonly idleTimeout?: number | undefined;
  /**
   * Milliseconds for which the shared tier is not called after a failure. 0: it is always called.
   *
   * @default 5_000
   */
  readonly retryInterval?: number | undefined;
  /**
   * Called when a tier fails and the other tier takes over. Its errors become warnings of the
   * process.
   *
   * @default `console.warn`, one line for each failure
   */
  readonly onDegraded?: ((failure: StoreFailure) => void) | undefined;
}

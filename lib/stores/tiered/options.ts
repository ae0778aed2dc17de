import { z } from 'zod';
import { callback, duration, methods, milliseconds } from '../../check-options.js';
import type { SnapshotError } from '../../errors.js';
import type { SnapshotStore } from '../store.js';

/** A failure of one tier. Callers do not see it, because the other tier took over. */
export interface StoreFailure {
  readonly tier: 'local' | 'shared';
  /** `undefined`: the failure concerns no particular object. */
  readonly key: string | undefined;
  readonly error: SnapshotError;
}

function warn({ tier, key, error }: StoreFailure): void {
  const what = key === undefined ? '' : ` for ${key}`;
  console.warn(`TieredStore: the ${tier} tier failed${what}: ${error.code}: ${error.message}`);
}

const store = methods<SnapshotStore>(['stat', 'open', 'put', 'delete', 'list'], 'a SnapshotStore');

export const tieredStoreSchema = z
  .strictObject({
    /** A store of this process or machine, with no other writer. Its budget limits the copies. */
    local: store,
    /** The store that all machines share. It decides what is stored. */
    shared: store,
    /**
     * Milliseconds for which `open` serves a local copy without asking the shared tier whether it is
     * still current; `stat` always asks. A higher value saves requests, but an object that another
     * machine has replaced or deleted is still served for that time. 0: every `open` asks.
     */
    localMaxAge: duration.default(1000),
    /**
     * Milliseconds within which the shared tier must answer a call, and a list must give its next
     * object. A list that is late counts as a failure of the list only.
     */
    responseTimeout: milliseconds.default(5000),
    /** Milliseconds for the next bytes of a read or write, or for a write to end, in either tier. */
    stallTimeout: milliseconds.default(60_000),
    /** Milliseconds for which a failed shared tier is not called. 0: it is always called. */
    retryInterval: duration.default(5000),
    /**
     * Called when a tier fails and the other tier takes over. Its errors become warnings. Default:
     * `console.warn`, one line for each failure.
     */
    onDegraded: callback<(failure: StoreFailure) => void>().default(() => warn),
  })
  .refine(({ local, shared }) => local !== shared, 'local and shared must not be the same store');

/** The options of `TieredStore`. */
export type TieredStoreOptions = z.input<typeof tieredStoreSchema>;
export type TieredStoreConfig = z.output<typeof tieredStoreSchema>;

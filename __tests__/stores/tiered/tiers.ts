import {
  MemoryStore,
  type SnapshotStore,
  type StoreFailure,
  TieredStore,
  type TieredStoreOptions,
} from '../../../lib/index.js';
import { door } from '../../support/door.js';
import { FaultyTier } from './faulty-tier.js';

export const MIB = 1024 * 1024;
/** Milliseconds: no test takes as long. */
export const HOUR = 60 * 60_000;

export interface Tiers<Near> {
  readonly near: Near;
  readonly far: FaultyTier;
  readonly store: TieredStore;
  readonly failures: StoreFailure[];
}

/** A store that rarely checks a working far tier, and always retries a failed one. */
export function tiers(options?: Partial<TieredStoreOptions>): Tiers<MemoryStore>;
export function tiers<Near extends SnapshotStore>(
  options: Partial<TieredStoreOptions>,
  near: Near,
): Tiers<Near>;
export function tiers(
  options: Partial<TieredStoreOptions> = {},
  near: SnapshotStore = new MemoryStore({ maxBytes: 64 * MIB }),
): Tiers<SnapshotStore> {
  const far = new FaultyTier();
  const failures: StoreFailure[] = [];
  const onDegraded = (failure: StoreFailure) => failures.push(failure);
  const times = { checkInterval: HOUR, retryInterval: 0 };
  const store = new TieredStore({ near, far, onDegraded, ...times, ...options });
  return { near, far, store, failures };
}

/** Holds bodies of the far tier back at an offset. */
export function holdAt(far: FaultyTier, offset: number) {
  const [released, release] = door();
  const [reached, reach] = door();
  far.onRead = async (at) => {
    if (at !== offset) return;
    reach();
    await released;
  };
  return { reached, release };
}

/** The keys that a list gives before it fails. */
export async function listedBeforeFailure(store: SnapshotStore): Promise<string[]> {
  const keys: string[] = [];
  const list = async () => {
    for await (const { key } of store.list()) keys.push(key);
  };
  await expect(list()).rejects.toMatchObject({ code: 'STORE_FAILED' });
  return keys.sort();
}

import { MemoryStore, TieredStore } from '../../../lib/index.js';
import type { SnapshotStore, StoreFailure, TieredStoreOptions } from '../../../lib/stores/index.js';
import { door } from '../../support/door.js';
import { FaultyTier } from './faulty-tier.js';

export const MIB = 1024 * 1024;
/** Milliseconds: no test takes as long. */
export const HOUR = 60 * 60_000;

export interface Tiers<Local> {
  readonly local: Local;
  readonly shared: FaultyTier;
  readonly store: TieredStore;
  readonly failures: StoreFailure[];
}

/** A store that rarely checks a working shared tier, and always retries a failed one. */
export function tiers(options?: Partial<TieredStoreOptions>): Tiers<MemoryStore>;
export function tiers<Local extends SnapshotStore>(
  options: Partial<TieredStoreOptions>,
  local: Local,
): Tiers<Local>;
export function tiers(
  options: Partial<TieredStoreOptions> = {},
  local: SnapshotStore = new MemoryStore({ maxBytes: 64 * MIB }),
): Tiers<SnapshotStore> {
  const shared = new FaultyTier();
  const failures: StoreFailure[] = [];
  const onDegraded = (failure: StoreFailure) => failures.push(failure);
  const times = { localMaxAge: HOUR, retryInterval: 0 };
  const store = new TieredStore({ local, shared, onDegraded, ...times, ...options });
  return { local, shared, store, failures };
}

/** Holds bodies of the shared tier back at an offset. */
export function holdAt(shared: FaultyTier, offset: number) {
  const [released, release] = door();
  const [reached, reach] = door();
  shared.onRead = async (at) => {
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

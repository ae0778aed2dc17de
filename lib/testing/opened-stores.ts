import type { SnapshotStore } from '../stores/store.js';
import type { StoreUnderTest } from './store-content.js';

/** What a test gets: the factory's stores, each of which is closed once. */
export interface OpenedStores extends StoreUnderTest {
  /** Closes a store before the test ends. */
  readonly close: (store: SnapshotStore) => Promise<void>;
  /** Closes the stores that are still open. */
  readonly closeAll: () => Promise<void>;
}

export function openedStores(made: StoreUnderTest): OpenedStores {
  const { store, reopen, withBudget, bytesInParts, cleanup } = made;
  const open = new Set<SnapshotStore>([store]);
  const close = async (one: SnapshotStore) => {
    if (open.delete(one)) await one.close?.();
  };
  const opening = async (another: SnapshotStore | Promise<SnapshotStore>) => {
    const opened = await another;
    open.add(opened);
    return opened;
  };
  return {
    store,
    reopen: reopen && (() => opening(reopen())),
    withBudget: withBudget && ((maxBytes) => opening(withBudget(maxBytes))),
    bytesInParts,
    cleanup,
    close,
    closeAll: async () => {
      for (const one of open) await close(one);
    },
  };
}

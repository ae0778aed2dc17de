import assert from 'node:assert/strict';
import { access, open, writeFile } from 'node:fs/promises';
import type { SnapshotStore } from '../stores/store.js';
import type { ContractCases } from './contract.js';
import {
  assertBytes,
  assertContent,
  assertMiss,
  beginToRead,
  contentOf,
  descriptionOf,
  ifDeclared,
  LARGE,
  put,
  type StoreUnderTest,
  withPath,
} from './store-content.js';

/** The abilities `adoptsFiles` and `persistent`. */
export const abilityCases: ContractCases<StoreUnderTest> = {
  'the store has adopt exactly if it declares it': async ({ store }) => {
    assert.equal(typeof store.adopt, store.abilities.adoptsFiles ? 'function' : 'undefined');
  },

  'adopt makes a file an object, and the file is gone': adopting(async (store, file) => {
    await writeFile(file, contentOf('a', 100_000));
    const adopted = await store.adopt('key', file, { name: 'value' });
    assert.equal(adopted.size, 100_000);
    assert.deepEqual({ ...adopted.metadata }, { name: 'value' });
    assert.deepEqual(descriptionOf(await store.stat('key')), descriptionOf(adopted));
    await assertContent(store, 'key', contentOf('a', 100_000));
    await assert.rejects(access(file), 'the file must be gone');
  }),

  'adopt takes a file of no bytes': adopting(async (store, file) => {
    await writeFile(file, '');
    await store.adopt('key', file, {});
    await assertContent(store, 'key', Buffer.alloc(0));
  }),

  'adopt replaces what is stored, and bodies that are being read keep their revision': adopting(
    async (store, file) => {
      const old = await put(store, 'key', contentOf('old', LARGE));
      const readOn = await beginToRead(store, 'key');
      await writeFile(file, contentOf('new', LARGE));
      const adopted = await store.adopt('key', file, {});
      assert.notEqual(adopted.revision, old.revision);
      assertBytes(await readOn(), contentOf('old', LARGE));
      await assertContent(store, 'key', contentOf('new', LARGE));
    },
  ),

  'a reader that has the file open goes on reading its bytes': adopting(async (store, file) => {
    await writeFile(file, contentOf('a', 100_000));
    const handle = await open(file, 'r');
    try {
      await store.adopt('key', file, {});
      await store.delete('key');
      const { buffer } = await handle.read(Buffer.alloc(100_000), 0, 100_000, 0);
      assertBytes(buffer, contentOf('a', 100_000));
    } finally {
      await handle.close();
    }
  }),

  'adopt of a missing file rejects and leaves the stored object': adopting(async (store, file) => {
    await put(store, 'key', contentOf('old'));
    await assert.rejects(store.adopt('key', file, {}));
    await assertContent(store, 'key', contentOf('old'));
  }),

  'adopt rejects when its signal has aborted, and leaves the file': adopting(
    async (store, file) => {
      await writeFile(file, contentOf('new'));
      await put(store, 'key', contentOf('old'));
      await assert.rejects(store.adopt('key', file, {}, { signal: AbortSignal.abort() }));
      await access(file);
      await assertContent(store, 'key', contentOf('old'));
    },
  ),

  'a persistent store has its objects after a restart': persisting(async (store, reopen) => {
    const committed = await put(store, 'key', contentOf('a'), { name: 'value' });
    await store.close?.();
    const again = await reopen();
    assert.deepEqual(descriptionOf(await again.stat('key')), descriptionOf(committed));
    await assertContent(again, 'key', contentOf('a'));
    await again.close?.();
  }),

  'a write that was not committed is not seen after a restart': persisting(
    async (store, reopen) => {
      await put(store, 'replaced', contentOf('old'));
      const writers = [await store.create('key', {}), await store.create('replaced', {})];
      for (const writer of writers) await writer.write(contentOf('new', 1_000_000));
      const again = await reopen();
      await assertMiss(again, 'key');
      await assertContent(again, 'replaced', contentOf('old'));
      for (const writer of writers) await writer.abort();
      await again.close?.();
    },
  ),
};

type AdoptingStore = SnapshotStore & Required<Pick<SnapshotStore, 'adopt'>>;

/** Gives the case a path in a directory of its own. */
function adopting(run: (store: AdoptingStore, file: string) => Promise<void>) {
  return async ({ store }: StoreUnderTest): Promise<void> => {
    if (isAdopting(store)) await withPath((file) => run(store, file));
  };
}

function isAdopting(store: SnapshotStore): store is AdoptingStore {
  return store.abilities.adoptsFiles && store.adopt !== undefined;
}

function persisting(
  run: (store: SnapshotStore, reopen: NonNullable<StoreUnderTest['reopen']>) => Promise<void>,
) {
  return ifDeclared('persistent')(async (store, { reopen }) => {
    assert.ok(reopen, 'the factory of a persistent store must give `reopen`');
    await run(store, reopen);
  });
}

import assert from 'node:assert/strict';
import { access, open, writeFile } from 'node:fs/promises';
import type { SnapshotStore } from '../stores/store.js';
import type { ContractCases } from './contract.js';
import type { OpenedStores } from './opened-stores.js';
import {
  assertBytes,
  assertContent,
  assertMiss,
  beginPut,
  beginToRead,
  contentOf,
  descriptionOf,
  LARGE,
  put,
  type StoreUnderTest,
  withPath,
} from './store-content.js';

/** `putFile`, and objects that outlive the process. */
export const fileCases: ContractCases<OpenedStores> = {
  'putFile makes a file an object, and the file is gone': withFile(async (store, file) => {
    await writeFile(file, contentOf('a', 100_000));
    const stored = await store.putFile('key', file, { metadata: { name: 'value' } });
    assert.equal(stored.size, 100_000);
    assert.deepEqual({ ...stored.metadata }, { name: 'value' });
    assert.deepEqual(descriptionOf(await store.stat('key')), descriptionOf(stored));
    await assertContent(store, 'key', contentOf('a', 100_000));
    await assert.rejects(access(file), 'the file must be gone');
  }),

  'putFile takes a file of no bytes': withFile(async (store, file) => {
    await writeFile(file, '');
    await store.putFile('key', file);
    await assertContent(store, 'key', Buffer.alloc(0));
  }),

  'putFile replaces what is stored, and bodies that are being read keep their revision': withFile(
    async (store, file) => {
      const old = await put(store, 'key', contentOf('old', LARGE));
      const readOn = await beginToRead(store, 'key');
      await writeFile(file, contentOf('new', LARGE));
      const stored = await store.putFile('key', file);
      assert.notEqual(stored.revision, old.revision);
      assertBytes(await readOn(), contentOf('old', LARGE));
      await assertContent(store, 'key', contentOf('new', LARGE));
    },
  ),

  'a reader that has the file open goes on reading its bytes': withFile(async (store, file) => {
    await writeFile(file, contentOf('a', 100_000));
    const handle = await open(file, 'r');
    try {
      await store.putFile('key', file);
      await store.delete('key');
      const { buffer } = await handle.read(Buffer.alloc(100_000), 0, 100_000, 0);
      assertBytes(buffer, contentOf('a', 100_000));
    } finally {
      await handle.close();
    }
  }),

  'putFile of a missing file rejects and leaves the stored object': withFile(
    async (store, file) => {
      await put(store, 'key', contentOf('old'));
      await assert.rejects(store.putFile('key', file));
      await assertContent(store, 'key', contentOf('old'));
    },
  ),

  'putFile rejects when its signal has aborted, and leaves the file': withFile(
    async (store, file) => {
      await writeFile(file, contentOf('new'));
      await put(store, 'key', contentOf('old'));
      await assert.rejects(store.putFile('key', file, { signal: AbortSignal.abort() }));
      await access(file);
      await assertContent(store, 'key', contentOf('old'));
    },
  ),

  'a persistent store has its objects after a restart': persisting(async (store, reopen, close) => {
    const stored = await put(store, 'key', contentOf('a'), { name: 'value' });
    await close(store);
    const again = await reopen();
    assert.deepEqual(descriptionOf(await again.stat('key')), descriptionOf(stored));
    await assertContent(again, 'key', contentOf('a'));
  }),

  'an unfinished write is not seen after a restart': persisting(async (store, reopen) => {
    await put(store, 'replaced', contentOf('old'));
    const writes = [beginPut(store, 'key'), beginPut(store, 'replaced')];
    for (const write of writes) await write.write(contentOf('new', 1_000_000));
    const again = await reopen();
    await assertMiss(again, 'key');
    await assertContent(again, 'replaced', contentOf('old'));
    for (const write of writes) await write.fail();
  }),
};

type FileStore = SnapshotStore & Required<Pick<SnapshotStore, 'putFile'>>;

/** For stores with `putFile`. Gives the case a path in a directory of its own. */
function withFile(run: (store: FileStore, file: string) => Promise<void>) {
  return async ({ store }: StoreUnderTest): Promise<void> => {
    if (takesFiles(store)) await withPath((file) => run(store, file));
  };
}

function takesFiles(store: SnapshotStore): store is FileStore {
  return store.putFile !== undefined;
}

/** For stores that the factory can reopen. */
function persisting(
  run: (
    store: SnapshotStore,
    reopen: NonNullable<OpenedStores['reopen']>,
    close: OpenedStores['close'],
  ) => Promise<void>,
) {
  return async ({ store, reopen, close }: OpenedStores): Promise<void> => {
    if (reopen !== undefined) await run(store, reopen, close);
  };
}

import { FileSystemStore, MemoryLocks, MemoryStore, SnapshotError } from '../../lib/index.js';
import { instrumentLocks, instrumentStore } from '../../lib/opentelemetry/index.js';
import { lockContract, storeContract } from '../../lib/testing/index.js';
import { contentOf, put } from '../../lib/testing/store-content.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory } = cleanup(afterEach);

describe('An instrumented store', () => {
  storeContract({
    test,
    factory: () => ({
      store: instrumentStore(new MemoryStore({ maxBytes: 64 * 1024 * 1024 })),
      withBudget: (maxBytes) => instrumentStore(new MemoryStore({ maxBytes })),
    }),
  });
});

test('An instrumented store has all methods of the store', async () => {
  await using store = new FileSystemStore({ directory: await directory() });
  const { getFile, putFile, listReplaced } = instrumentStore(store);
  expect([getFile, putFile, listReplaced]).not.toContain(undefined);
  const { revision } = await put(store, 'key', contentOf('a'));
  expect(await getFile?.('key', { revision })).toEqual(await store.getFile('key', { revision }));
});

describe('An instrumented lock registry', () => {
  lockContract({
    test,
    timeout: 10 * 60_000,
    factory: () => ({ locks: instrumentLocks(new MemoryLocks()) }),
  });
});

test('Instrumented locks say at the start that their registry is misconfigured', async () => {
  const refusal = new SnapshotError('INVALID_OPTIONS', 'the server refuses the password');
  const ready = async () => {
    throw refusal;
  };
  const locks = instrumentLocks(Object.assign(new MemoryLocks(), { ready }));
  await expect(locks.ready?.()).rejects.toBe(refusal);
  expect(instrumentLocks(new MemoryLocks()).ready).toBeUndefined();
});

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import type { Priority, SnapshotStore } from '../stores/store.js';
import type { ContractCases } from './contract.js';
import type { OpenedStores } from './opened-stores.js';
import {
  assertContent,
  assertMiss,
  contentOf,
  descriptionOf,
  listedKeys,
  mustOpen,
  put,
  type StoreUnderTest,
  withPath,
} from './store-content.js';

const SIZE = 64 * 1024;
/** Room for three objects with what a store adds to each, not for four. */
const BUDGET = 3.5 * SIZE;
const LOW = { priority: 'low' } as const;

/** `priority`, and what of it a budget of `BUDGET` shows. */
export const priorityCases: ContractCases<OpenedStores> = {
  'an object has normal priority by default': async ({ store }) => {
    await put(store, 'default', contentOf('a'));
    await put(store, 'normal', contentOf('a'), {}, { priority: 'normal' });
    for (const key of ['default', 'normal']) {
      assert.equal((await store.stat(key))?.priority ?? 'normal', 'normal');
    }
  },

  'a store with priorities describes them': withPriorities(async (store) => {
    const written = await put(store, 'key', contentOf('a'), {}, LOW);
    assert.equal(written.priority, 'low');
    await assertPriority(store, 'key', 'low');
    assert.deepEqual(descriptionOf(await store.stat('key')), descriptionOf(written));
  }),

  'a replaced object has the priority of the new one': withPriorities(async (store) => {
    for (const priority of ['low', 'normal', 'low'] as const) {
      await put(store, 'key', contentOf('a'), {}, { priority });
      await assertPriority(store, 'key', priority);
      assert.deepEqual(await listedKeys(store), ['key']);
    }
  }),

  'putFile gives the requested priority': withPriorities(async (store) => {
    await withPath(async (file) => {
      if (store.putFile === undefined) return;
      for (const priority of ['low', undefined, 'low', 'normal'] as const) {
        await writeFile(file, contentOf('a'));
        const stored = await store.putFile('key', file, { priority });
        assert.equal(stored.priority, priority ?? 'normal');
        await assertPriority(store, 'key', priority ?? 'normal');
      }
    });
  }),

  'a priority survives a restart': withPriorities(async (store, { reopen, close }) => {
    if (reopen === undefined) return;
    await put(store, 'low', contentOf('a'), {}, LOW);
    await put(store, 'normal', contentOf('a'));
    await close(store);
    const again = await reopen();
    await assertPriority(again, 'low', 'low');
    await assertPriority(again, 'normal', 'normal');
  }),

  'only objects of low priority are evicted for one of low priority': withBudget(async (store) => {
    await put(store, 'a', contentOf('a', SIZE));
    await put(store, 'b', contentOf('b', SIZE));
    for (const key of ['x', 'y', 'z']) {
      await put(store, key, contentOf(key, SIZE), {}, LOW);
      assert.deepEqual(await listedKeys(store), ['a', 'b', key]);
      await assertContent(store, key, contentOf(key, SIZE));
    }
    for (const key of ['a', 'b']) await assertContent(store, key, contentOf(key, SIZE));
  }),

  'an object of low priority without room is not kept': withBudget(async (store) => {
    for (const key of ['a', 'b', 'c']) await put(store, key, contentOf(key, SIZE));
    const written = await put(store, 'x', contentOf('x', SIZE), {}, LOW);
    assert.equal(written.key, 'x');
    assert.equal(written.size, SIZE);
    await assertMiss(store, 'x');
    for (const key of ['a', 'b', 'c']) await assertContent(store, key, contentOf(key, SIZE));
  }),

  'an object of low priority without room removes the object that it replaces': withBudget(
    async (store) => {
      for (const key of ['a', 'b']) await put(store, key, contentOf(key, SIZE));
      await put(store, 'x', contentOf('old', SIZE), {}, LOW);
      await put(store, 'x', contentOf('new', 2 * SIZE), {}, LOW);
      await assertMiss(store, 'x');
      assert.deepEqual(await listedKeys(store), ['a', 'b']);
    },
  ),

  'an object whose priority became low may be evicted for one of low priority': withBudget(
    async (store) => {
      for (const key of ['a', 'b', 'c']) await put(store, key, contentOf(key, SIZE));
      await put(store, 'b', contentOf('new', SIZE), {}, LOW);
      await put(store, 'x', contentOf('x', SIZE), {}, LOW);
      assert.deepEqual(await listedKeys(store), ['a', 'c', 'x']);
    },
  ),

  'an object whose priority is no longer low is not evicted for one of low priority': withBudget(
    async (store) => {
      for (const key of ['a', 'b', 'c']) await put(store, key, contentOf('old', SIZE), {}, LOW);
      for (const key of ['a', 'b', 'c']) await put(store, key, contentOf(key, SIZE));
      await put(store, 'x', contentOf('x', SIZE), {}, LOW);
      assert.deepEqual(await listedKeys(store), ['a', 'b', 'c']);
    },
  ),

  'any object may be evicted for one of normal priority': withBudget(async (store) => {
    for (const key of ['x', 'y', 'z']) await put(store, key, contentOf(key, SIZE), {}, LOW);
    for (const key of ['a', 'b', 'c', 'd', 'e']) {
      await put(store, key, contentOf(key, SIZE));
      await assertContent(store, key, contentOf(key, SIZE));
    }
  }),
};

/** Asserts what all methods say of an object. */
async function assertPriority(
  store: SnapshotStore,
  key: string,
  priority: Priority,
): Promise<void> {
  assert.equal((await store.stat(key))?.priority, priority, 'stat must give the priority');
  const opened = await mustOpen(store, key);
  opened.body.destroy();
  assert.equal(opened.priority, priority, 'open must give the priority');
  for await (const object of store.list()) {
    if (object.key === key) assert.equal(object.priority, priority, 'list must give the priority');
  }
}

/** For stores that describe the priority of an object. */
function withPriorities(run: (store: SnapshotStore, subject: OpenedStores) => Promise<void>) {
  return async (subject: OpenedStores): Promise<void> => {
    const { priority } = await put(subject.store, 'probe', contentOf('a'), {}, LOW);
    await subject.store.delete('probe');
    if (priority !== undefined) await run(subject.store, subject);
  };
}

function withBudget(run: (store: SnapshotStore) => Promise<void>) {
  return async ({ withBudget: open }: StoreUnderTest): Promise<void> => {
    const store = await open?.(BUDGET);
    if (store !== undefined) await run(store);
  };
}

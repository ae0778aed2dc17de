import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import type { SnapshotStore } from '../stores/store.js';
import type { ContractCases } from './contract.js';
import {
  assertContent,
  assertMiss,
  contentOf,
  descriptionOf,
  ifDeclared,
  listedKeys,
  mustOpen,
  put,
  type StoreUnderTest,
  withPath,
} from './store-content.js';

const SIZE = 64 * 1024;
/** Room for three objects with what a store adds to each, not for four. */
const BUDGET = 3.5 * SIZE;
const EXPENDABLE = { expendable: true };

const ranking = ifDeclared('ranksObjects');

/** `expendable`, and what of it a budget of `BUDGET` shows. */
export const rankCases: ContractCases<StoreUnderTest> = {
  'an object is not expendable by default': async ({ store }) => {
    await put(store, 'default', contentOf('a'));
    await put(store, 'false', contentOf('a'), {}, { expendable: false });
    await assertRank(store, 'default', false);
    await assertRank(store, 'false', false);
  },

  'a store with ranks describes an expendable object as expendable': async ({ store }) => {
    const committed = await put(store, 'key', contentOf('a'), {}, EXPENDABLE);
    assert.equal(committed.expendable, store.abilities.ranksObjects);
    await assertRank(store, 'key', store.abilities.ranksObjects);
    assert.deepEqual(descriptionOf(await store.stat('key')), descriptionOf(committed));
  },

  'a replaced object has the rank of the new one': ranking(async (store) => {
    for (const expendable of [true, false, true]) {
      await put(store, 'key', contentOf('a'), {}, { expendable });
      await assertRank(store, 'key', expendable);
      assert.deepEqual(await listedKeys(store), ['key']);
    }
  }),

  'an adopted object has the requested rank': ranking(async (store) => {
    await withPath(async (file) => {
      if (store.adopt === undefined) return;
      for (const expendable of [true, undefined, true, false]) {
        await writeFile(file, contentOf('a'));
        const adopted = await store.adopt('key', file, {}, { expendable });
        assert.equal(adopted.expendable, expendable ?? false);
        await assertRank(store, 'key', expendable ?? false);
      }
    });
  }),

  'a rank survives a restart': ranking(async (store, { reopen }) => {
    if (!store.abilities.persistent) return;
    await put(store, 'expendable', contentOf('a'), {}, EXPENDABLE);
    await put(store, 'other', contentOf('a'));
    await store.close?.();
    const again = await reopen?.();
    assert.ok(again, 'the factory of a persistent store must give `reopen`');
    await assertRank(again, 'expendable', true);
    await assertRank(again, 'other', false);
    await again.close?.();
  }),

  'only expendable objects are evicted for an expendable object': withBudget(async (store) => {
    await put(store, 'a', contentOf('a', SIZE));
    await put(store, 'b', contentOf('b', SIZE));
    for (const key of ['x', 'y', 'z']) {
      await put(store, key, contentOf(key, SIZE), {}, EXPENDABLE);
      assert.deepEqual(await listedKeys(store), ['a', 'b', key]);
      await assertContent(store, key, contentOf(key, SIZE));
    }
    for (const key of ['a', 'b']) await assertContent(store, key, contentOf(key, SIZE));
  }),

  'an expendable object without room is committed but not kept': withBudget(async (store) => {
    for (const key of ['a', 'b', 'c']) await put(store, key, contentOf(key, SIZE));
    const committed = await put(store, 'x', contentOf('x', SIZE), {}, EXPENDABLE);
    assert.equal(committed.key, 'x');
    assert.equal(committed.size, SIZE);
    await assertMiss(store, 'x');
    for (const key of ['a', 'b', 'c']) await assertContent(store, key, contentOf(key, SIZE));
  }),

  'an expendable object without room removes the object that it replaces': withBudget(
    async (store) => {
      for (const key of ['a', 'b']) await put(store, key, contentOf(key, SIZE));
      await put(store, 'x', contentOf('old', SIZE), {}, EXPENDABLE);
      await put(store, 'x', contentOf('new', 2 * SIZE), {}, EXPENDABLE);
      await assertMiss(store, 'x');
      assert.deepEqual(await listedKeys(store), ['a', 'b']);
    },
  ),

  'an object that became expendable may be evicted for an expendable one': withBudget(
    async (store) => {
      for (const key of ['a', 'b', 'c']) await put(store, key, contentOf(key, SIZE));
      await put(store, 'b', contentOf('new', SIZE), {}, EXPENDABLE);
      await put(store, 'x', contentOf('x', SIZE), {}, EXPENDABLE);
      assert.deepEqual(await listedKeys(store), ['a', 'c', 'x']);
    },
  ),

  'an object that is no longer expendable is not evicted for an expendable one': withBudget(
    async (store) => {
      for (const key of ['a', 'b', 'c'])
        await put(store, key, contentOf('old', SIZE), {}, EXPENDABLE);
      for (const key of ['a', 'b', 'c']) await put(store, key, contentOf(key, SIZE));
      await put(store, 'x', contentOf('x', SIZE), {}, EXPENDABLE);
      assert.deepEqual(await listedKeys(store), ['a', 'b', 'c']);
    },
  ),

  'any object may be evicted for an object that is not expendable': withBudget(async (store) => {
    for (const key of ['x', 'y', 'z']) await put(store, key, contentOf(key, SIZE), {}, EXPENDABLE);
    for (const key of ['a', 'b', 'c', 'd', 'e']) {
      await put(store, key, contentOf(key, SIZE));
      await assertContent(store, key, contentOf(key, SIZE));
    }
  }),
};

/** Asserts what all methods say of an object. */
async function assertRank(store: SnapshotStore, key: string, expendable: boolean): Promise<void> {
  assert.equal((await store.stat(key))?.expendable, expendable, 'stat must give the rank');
  const opened = await mustOpen(store, key);
  opened.body.destroy();
  assert.equal(opened.expendable, expendable, 'open must give the rank');
  for await (const object of store.list()) {
    if (object.key === key) assert.equal(object.expendable, expendable, 'list must give the rank');
  }
}

function withBudget(run: (store: SnapshotStore) => Promise<void>) {
  return ranking(async (_, { withBudget: open }) => {
    const store = await open?.(BUDGET);
    if (store === undefined) return;
    await run(store);
    await store.close?.();
  });
}

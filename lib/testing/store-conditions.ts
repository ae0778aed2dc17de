import assert from 'node:assert/strict';
import { access, writeFile } from 'node:fs/promises';
import type { SnapshotStore } from '../stores/store.js';
import type { ContractCases } from './contract.js';
import {
  assertContent,
  assertMiss,
  beginPut,
  contentOf,
  descriptionOf,
  put,
  type StoreUnderTest,
  withPath,
} from './store-content.js';

const REFUSED = { code: 'PRECONDITION_FAILED' };
const WRITERS = 5;

/** For stores that write conditionally. */
const conditional =
  (run: (store: SnapshotStore) => Promise<void>) =>
  async ({ store }: StoreUnderTest): Promise<void> => {
    if (store.writesConditionally === true) await run(store);
  };

/** For those of them that the factory can reopen: with two instances on the same data. */
const shared =
  (run: (one: SnapshotStore, other: SnapshotStore) => Promise<void>) =>
  async ({ store, reopen }: StoreUnderTest): Promise<void> => {
    if (store.writesConditionally === true && reopen) await run(store, await reopen());
  };

/** `ifRevision`: writes that succeed only if their condition holds. */
export const conditionCases: ContractCases<StoreUnderTest> = {
  'a write in place of nothing succeeds if nothing is stored': conditional(async (store) => {
    await put(store, 'key', contentOf('a'), {}, { ifRevision: null });
    await assertContent(store, 'key', contentOf('a'));
    await store.delete('key');
    await put(store, 'key', contentOf('b'), {}, { ifRevision: null });
    await assertContent(store, 'key', contentOf('b'));
  }),

  'a write in place of a revision succeeds if that revision is stored': conditional(
    async (store) => {
      const { revision } = await put(store, 'key', contentOf('old'));
      const stored = await put(store, 'key', contentOf('new'), {}, { ifRevision: revision });
      assert.deepEqual(descriptionOf(await store.stat('key')), descriptionOf(stored));
      await assertContent(store, 'key', contentOf('new'));
    },
  ),

  'a write in place of nothing is refused if an object is stored': conditional(async (store) => {
    await put(store, 'key', contentOf('old'));
    await assertRefused(store, null);
  }),

  'a write in place of a revision is refused if another one is stored': conditional(
    async (store) => {
      const { revision } = await put(store, 'key', contentOf('older'));
      await put(store, 'key', contentOf('old'));
      await assertRefused(store, revision);
    },
  ),

  'another revision with equal bytes does not meet the condition': conditional(async (store) => {
    const { revision } = await put(store, 'key', contentOf('old'));
    await put(store, 'key', contentOf('old'));
    await assertRefused(store, revision);
  }),

  'a write in place of a revision is refused if nothing is stored': conditional(async (store) => {
    const { revision } = await put(store, 'key', contentOf('old'));
    await store.delete('key');
    await assert.rejects(
      put(store, 'key', contentOf('new'), {}, { ifRevision: revision }),
      REFUSED,
    );
    await assertMiss(store, 'key');
  }),

  'a condition is checked when the object is published': conditional(async (store) => {
    const { revision } = await put(store, 'key', contentOf('old'));
    const write = beginPut(store, 'key', { ifRevision: revision });
    await write.write(contentOf('new'));
    const stored = await put(store, 'key', contentOf('between'));
    await assert.rejects(write.finish(), REFUSED);
    assert.deepEqual(descriptionOf(await store.stat('key')), descriptionOf(stored));
  }),

  'one of several writes in place of nothing succeeds': conditional((store) =>
    assertOne([store], null),
  ),

  'one of several writes in place of one revision succeeds': conditional(async (store) => {
    const { revision } = await put(store, 'key', contentOf('old'));
    await assertOne([store], revision);
  }),

  'a condition is about what any instance has stored': shared(async (one, other) => {
    const { revision } = await put(one, 'key', contentOf('old'), {}, { ifRevision: null });
    await assertRefused(other, null);
    await put(other, 'key', contentOf('old'), {}, { ifRevision: revision });
    await assertRefused(one, revision);
  }),

  'one of several writes by two instances in place of nothing succeeds': shared((one, other) =>
    assertOne([one, other], null),
  ),

  'putFile is refused like any write, and leaves the file': conditional(async (store) => {
    await withPath(async (file) => {
      if (store.putFile === undefined) return;
      await writeFile(file, contentOf('new'));
      const { revision } = await put(store, 'key', contentOf('old'));
      await assert.rejects(store.putFile('key', file, { ifRevision: null }), REFUSED);
      await access(file);
      await assertContent(store, 'key', contentOf('old'));
      await store.putFile('key', file, { ifRevision: revision });
      await assertContent(store, 'key', contentOf('new'));
    });
  }),
};

/** Asserts that a write is refused, and leaves what is stored. */
async function assertRefused(store: SnapshotStore, ifRevision: string | null): Promise<void> {
  const stored = descriptionOf(await store.stat('key'));
  await assert.rejects(put(store, 'key', contentOf('new'), {}, { ifRevision }), REFUSED);
  assert.deepEqual(descriptionOf(await store.stat('key')), stored);
  await assertContent(store, 'key', contentOf('old'));
}

/** Asserts that of several writes at a time one succeeds, and stays. */
async function assertOne(
  instances: readonly [SnapshotStore, ...SnapshotStore[]],
  ifRevision: string | null,
): Promise<void> {
  const [store] = instances;
  const writes = await Promise.allSettled(
    Array.from({ length: WRITERS }, (_, index) => {
      const writer = instances[index % instances.length] ?? store;
      return put(writer, 'key', contentOf(`${index}`), { index: `${index}` }, { ifRevision });
    }),
  );
  const succeeded = writes.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  assert.equal(succeeded.length, 1, 'one of the writes must succeed');
  for (const one of writes) {
    if (one.status === 'rejected') assert.equal(one.reason.code, REFUSED.code);
  }
  const [winner] = succeeded;
  assert.deepEqual(descriptionOf(await store.stat('key')), descriptionOf(winner));
  await assertContent(store, 'key', contentOf(String(winner?.metadata.index)));
}

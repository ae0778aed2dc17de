import assert from 'node:assert/strict';
import type { SnapshotStore, StoredObject } from '../stores/store.js';
import type { ContractCases } from './contract.js';
import {
  assertBytes,
  assertContent,
  assertMiss,
  beginPut,
  contentOf,
  descriptionOf,
  LARGE,
  listedKeys,
  mustOpen,
  put,
  rest,
  type StoreUnderTest,
} from './store-content.js';

/** For stores with `listReplaced`. */
const keeping =
  (run: (store: SnapshotStore) => Promise<void>) =>
  async ({ store }: StoreUnderTest): Promise<void> => {
    if (store.listReplaced !== undefined) await run(store);
  };

/** `listReplaced`: revisions that can be read after they were replaced. */
export const replacedCases: ContractCases<StoreUnderTest> = {
  'a replaced revision is described, and opened by its name': keeping(async (store) => {
    const old = await put(store, 'key', contentOf('old', LARGE), { of: 'old' });
    await replace(store, old, contentOf('new', LARGE));
    assert.deepEqual(await replacedOf(store), [descriptionOf(old)]);
    const opened = await mustOpen(store, 'key', { revision: old.revision });
    assert.deepEqual(descriptionOf(opened), descriptionOf(old));
    assertBytes(await rest(opened.body), contentOf('old', LARGE));
    const range = { start: 65_535, end: 70_000 };
    const part = contentOf('old', LARGE).subarray(range.start, range.end + 1);
    await assertContent(store, 'key', part, { revision: old.revision, range });
  }),

  'a revision that no write replaced is not opened': keeping(async (store) => {
    const { revision } = await put(store, 'key', contentOf('old'));
    await put(store, 'other', contentOf('other'));
    assert.equal(await store.open('key', { revision: 'another' }), undefined);
    assert.equal(await store.open('other', { revision }), undefined);
    assert.deepEqual(await replacedOf(store), []);
  }),

  'several replaced revisions are kept': keeping(async (store) => {
    const first = await put(store, 'key', contentOf('1'));
    const second = await replace(store, first, contentOf('2'));
    const third = await replace(store, second, contentOf('3'));
    const revisions = (await store.listReplaced?.('key'))?.map(({ revision }) => revision);
    assert.deepEqual(new Set(revisions), new Set([first.revision, second.revision]));
    for (const [{ revision }, of] of [
      [first, '1'],
      [second, '2'],
      [third, '3'],
    ] as const) {
      await assertContent(store, 'key', contentOf(of), { revision });
    }
  }),

  'a replaced revision is shown only to callers that name it': keeping(async (store) => {
    const old = await put(store, 'key', contentOf('old'));
    const stored = await replace(store, old, contentOf('new'));
    assert.deepEqual(descriptionOf(await store.stat('key')), descriptionOf(stored));
    await assertContent(store, 'key', contentOf('new'));
    assert.deepEqual(await listedKeys(store), ['key']);
  }),

  'delete removes replaced revisions for good': keeping(async (store) => {
    const old = await put(store, 'key', contentOf('old'));
    await replace(store, old, contentOf('new'));
    await store.delete('key');
    await assertMiss(store, 'key');
    assert.deepEqual(await replacedOf(store), []);
    await put(store, 'key', contentOf('again'));
    assert.deepEqual(await replacedOf(store), []);
    assert.equal(await store.open('key', { revision: old.revision }), undefined);
  }),

  'a write that failed has replaced nothing': keeping(async (store) => {
    const { revision } = await put(store, 'key', contentOf('old'));
    const write = beginPut(store, 'key', { ifRevision: revision });
    await write.write(contentOf('new'));
    await write.fail();
    assert.deepEqual(await replacedOf(store), []);
    await assertContent(store, 'key', contentOf('old'), { revision });
  }),
};

function replace(store: SnapshotStore, old: StoredObject, by: Buffer): Promise<StoredObject> {
  return put(store, old.key, by, {}, { ifRevision: old.revision });
}

async function replacedOf(store: SnapshotStore): Promise<unknown[]> {
  return ((await store.listReplaced?.('key')) ?? []).map(descriptionOf);
}

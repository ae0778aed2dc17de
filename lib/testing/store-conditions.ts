import assert from 'node:assert/strict';
import { access, writeFile } from 'node:fs/promises';
import type { SnapshotStore } from '../stores/store.js';
import type { ContractCases } from './contract.js';
import {
  assertContent,
  assertMiss,
  beginToWrite,
  contentOf,
  descriptionOf,
  ifDeclared,
  put,
  type StoreUnderTest,
  withPath,
} from './store-content.js';

const REFUSED = { code: 'PRECONDITION_FAILED' };
const WRITERS = 5;

const conditional = ifDeclared('writesConditionally');

/** `replaces`: writes that commit only if their condition holds. */
export const conditionCases: ContractCases<StoreUnderTest> = {
  'a write in place of nothing commits if nothing is stored': conditional(async (store) => {
    await put(store, 'key', contentOf('a'), {}, { replaces: null });
    await assertContent(store, 'key', contentOf('a'));
    await store.delete('key');
    await put(store, 'key', contentOf('b'), {}, { replaces: null });
    await assertContent(store, 'key', contentOf('b'));
  }),

  'a write in place of a revision commits if that revision is stored': conditional(
    async (store) => {
      const { revision } = await put(store, 'key', contentOf('old'));
      const stored = await put(store, 'key', contentOf('new'), {}, { replaces: revision });
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
    await assert.rejects(put(store, 'key', contentOf('new'), {}, { replaces: revision }), REFUSED);
    await assertMiss(store, 'key');
  }),

  'a condition is checked when the write commits, not when it begins': conditional(
    async (store) => {
      const { revision } = await put(store, 'key', contentOf('old'));
      const writer = await beginToWrite(store, 'new', { replaces: revision });
      const stored = await put(store, 'key', contentOf('between'));
      await assert.rejects(writer.commit(), REFUSED);
      assert.deepEqual(descriptionOf(await store.stat('key')), descriptionOf(stored));
    },
  ),

  'a refused write has ended, and has no effect on others': conditional(async (store) => {
    const { revision } = await put(store, 'key', contentOf('old'));
    const writer = await store.create('key', {}, { replaces: null });
    await assert.rejects(writer.commit(), REFUSED);
    await assert.rejects(writer.write(contentOf('new')));
    await store.delete('key');
    await assert.rejects(writer.commit());
    await writer.abort();
    await assertMiss(store, 'key');
    await put(store, 'key', contentOf('new'), {}, { replaces: null });
    assert.notEqual((await store.stat('key'))?.revision, revision);
    await put(store, 'key', contentOf('newer'));
    await assertContent(store, 'key', contentOf('newer'));
  }),

  'one of several writes in place of nothing commits': conditional((store) =>
    assertOne(store, null),
  ),

  'one of several writes in place of one revision commits': conditional(async (store) => {
    const { revision } = await put(store, 'key', contentOf('old'));
    await assertOne(store, revision);
  }),

  'adopt is refused like any write, and leaves the file': conditional(async (store) => {
    if (!store.abilities.adoptsFiles) return;
    await withPath(async (file) => {
      await writeFile(file, contentOf('new'));
      const { revision } = await put(store, 'key', contentOf('old'));
      await assert.rejects(async () => store.adopt?.('key', file, {}, { replaces: null }), REFUSED);
      await access(file);
      await assertContent(store, 'key', contentOf('old'));
      await store.adopt?.('key', file, {}, { replaces: revision });
      await assertContent(store, 'key', contentOf('new'));
    });
  }),
};

/** Asserts that a write is refused, and leaves what is stored. */
async function assertRefused(store: SnapshotStore, replaces: string | null): Promise<void> {
  const stored = descriptionOf(await store.stat('key'));
  await assert.rejects(put(store, 'key', contentOf('new'), {}, { replaces }), REFUSED);
  assert.deepEqual(descriptionOf(await store.stat('key')), stored);
  await assertContent(store, 'key', contentOf('old'));
}

/** Asserts that of several writes at a time one commits, and stays. */
async function assertOne(store: SnapshotStore, replaces: string | null): Promise<void> {
  const writes = await Promise.allSettled(
    Array.from({ length: WRITERS }, (_, index) =>
      put(store, 'key', contentOf(`${index}`), { index: `${index}` }, { replaces }),
    ),
  );
  const committed = writes.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  assert.equal(committed.length, 1, 'one of the writes must commit');
  for (const one of writes) {
    if (one.status === 'rejected') assert.equal(one.reason.code, REFUSED.code);
  }
  const [winner] = committed;
  assert.deepEqual(descriptionOf(await store.stat('key')), descriptionOf(winner));
  await assertContent(store, 'key', contentOf(String(winner?.metadata.index)));
}

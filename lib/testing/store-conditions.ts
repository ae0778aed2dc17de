import assert from 'node:assert/strict';
import { access, writeFile } from 'node:fs/promises';
import type { SnapshotStore } from '../stores/store.js';
import type { ContractCases } from './contract.js';
import {
  assertContent,
  assertMiss,
  beginPut,
  contentOf as contentOfSize,
  descriptionOf,
  put,
  type StoreUnderTest,
  withPath,
} from './store-content.js';

const REFUSED = { code: 'PRECONDITION_FAILED' };
/** Writes at a time. */
const WRITERS = 5;

type Instances = readonly [SnapshotStore, ...SnapshotStore[]];
type ContentOf = (seed: string) => Buffer;

/** How a group of tests writes. */
interface Sizes {
  /** Added to the titles. */
  readonly suffix: string;
  /** Bytes of the objects; `undefined`: the store has no such objects. */
  readonly sizeOf: (subject: StoreUnderTest) => number | undefined;
}

/** `ifRevision`: writes that succeed only if their condition holds. */
export const conditionCases: ContractCases<StoreUnderTest> = {
  ...casesOf({ suffix: '', sizeOf: () => 1000 }),
  ...casesOf({ suffix: ', in several parts', sizeOf: ({ bytesInParts }) => bytesInParts }),
};

function casesOf({ suffix, sizeOf }: Sizes): ContractCases<StoreUnderTest> {
  /** For stores that write conditionally. */
  const conditional =
    (run: (store: SnapshotStore, contentOf: ContentOf) => Promise<void>) =>
    async (subject: StoreUnderTest): Promise<void> => {
      const size = sizeOf(subject);
      if (subject.store.writesConditionally !== true || size === undefined) return;
      await run(subject.store, (seed) => contentOfSize(seed, size));
    };
  /** For those of them that the factory can reopen: with two instances on the same data. */
  const shared =
    (run: (one: SnapshotStore, other: SnapshotStore, contentOf: ContentOf) => Promise<void>) =>
    async (subject: StoreUnderTest): Promise<void> => {
      const { reopen } = subject;
      if (reopen === undefined) return;
      await conditional(async (one, contentOf) => run(one, await reopen(), contentOf))(subject);
    };
  const cases: ContractCases<StoreUnderTest> = {
    'a write in place of nothing succeeds if nothing is stored': conditional(
      async (store, contentOf) => {
        await put(store, 'key', contentOf('a'), {}, { ifRevision: null });
        await assertContent(store, 'key', contentOf('a'));
        await store.delete('key');
        await put(store, 'key', contentOf('b'), {}, { ifRevision: null });
        await assertContent(store, 'key', contentOf('b'));
      },
    ),

    'a write in place of a revision succeeds if that revision is stored': conditional(
      async (store, contentOf) => {
        const { revision } = await put(store, 'key', contentOf('old'));
        const stored = await put(store, 'key', contentOf('new'), {}, { ifRevision: revision });
        assert.deepEqual(descriptionOf(await store.stat('key')), descriptionOf(stored));
        await assertContent(store, 'key', contentOf('new'));
      },
    ),

    'a write in place of nothing is refused if an object is stored': conditional(
      async (store, contentOf) => {
        await put(store, 'key', contentOf('old'));
        await assertRefused(store, null, contentOf);
      },
    ),

    'a write in place of a revision is refused if another one is stored': conditional(
      async (store, contentOf) => {
        const { revision } = await put(store, 'key', contentOf('older'));
        await put(store, 'key', contentOf('old'));
        await assertRefused(store, revision, contentOf);
      },
    ),

    'another revision with equal bytes does not meet the condition': conditional(
      async (store, contentOf) => {
        const { revision } = await put(store, 'key', contentOf('old'));
        await put(store, 'key', contentOf('old'));
        await assertRefused(store, revision, contentOf);
      },
    ),

    'a write in place of a revision is refused if nothing is stored': conditional(
      async (store, contentOf) => {
        const { revision } = await put(store, 'key', contentOf('old'));
        await store.delete('key');
        await assert.rejects(
          put(store, 'key', contentOf('new'), {}, { ifRevision: revision }),
          REFUSED,
        );
        await assertMiss(store, 'key');
      },
    ),

    'a condition is checked when the object is published': conditional(async (store, contentOf) => {
      const { revision } = await put(store, 'key', contentOf('old'));
      const write = beginPut(store, 'key', { ifRevision: revision });
      await write.write(contentOf('new'));
      const stored = await put(store, 'key', contentOf('between'));
      await assert.rejects(write.finish(), REFUSED);
      assert.deepEqual(descriptionOf(await store.stat('key')), descriptionOf(stored));
    }),

    'one of several writes in place of nothing succeeds': conditional((store, contentOf) =>
      assertOne([store], null, contentOf),
    ),

    'one of several writes in place of one revision succeeds': conditional(
      async (store, contentOf) => {
        const { revision } = await put(store, 'key', contentOf('old'));
        await assertOne([store], revision, contentOf);
      },
    ),

    'a condition is about what any instance has stored': shared(async (one, other, contentOf) => {
      const { revision } = await put(one, 'key', contentOf('old'), {}, { ifRevision: null });
      await assertRefused(other, null, contentOf);
      await put(other, 'key', contentOf('old'), {}, { ifRevision: revision });
      await assertRefused(one, revision, contentOf);
    }),

    'one of several writes by two instances in place of nothing succeeds': shared(
      (one, other, contentOf) => assertOne([one, other], null, contentOf),
    ),

    'putFile is refused like any write, and leaves the file': conditional(
      async (store, contentOf) => {
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
      },
    ),
  };
  return Object.fromEntries(
    Object.entries(cases).map(([title, run]) => [`${title}${suffix}`, run]),
  );
}

/** Asserts that a write is refused, and leaves what is stored. */
async function assertRefused(
  store: SnapshotStore,
  ifRevision: string | null,
  contentOf: ContentOf,
): Promise<void> {
  const stored = descriptionOf(await store.stat('key'));
  await assert.rejects(put(store, 'key', contentOf('new'), {}, { ifRevision }), REFUSED);
  assert.deepEqual(descriptionOf(await store.stat('key')), stored);
  await assertContent(store, 'key', contentOf('old'));
}

/** Asserts that of several writes at a time one succeeds, and stays. */
async function assertOne(
  instances: Instances,
  ifRevision: string | null,
  contentOf: ContentOf,
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

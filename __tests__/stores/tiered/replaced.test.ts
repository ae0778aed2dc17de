import { setImmediate } from 'node:timers/promises';
import { MemoryStore, SnapshotError, type TieredStore } from '../../../lib/index.js';
import {
  assertContent,
  assertMiss,
  contentOf,
  mustOpen,
  put,
  rest,
} from '../../../lib/testing/store-content.js';
import { door } from '../../support/door.js';
import { FaultyTier } from './faulty-tier.js';
import { holdAt, MIB, tiers } from './tiers.js';

/*
 * Bodies that are read more slowly than their object is copied from the shared tier, while it is replaced.
 */

/** More than a reader may be behind. */
const OLD = contentOf('old', 4 * MIB);
const NEW = contentOf('new', 4 * MIB);

const CHANGES: [string, (shared: FaultyTier) => Promise<unknown>][] = [
  ['replaced', (shared) => put(shared.inner, 'key', NEW)],
  ['deleted', (shared) => shared.inner.delete('key')],
];

describe('A copy that was just made', () => {
  test.each<[string, (store: TieredStore, shared: FaultyTier) => Promise<unknown>]>([
    ['deleted', (store) => store.delete('key')],
    ['replaced', (store) => put(store, 'key', NEW)],
    [
      'dropped, because another machine replaced it',
      async (store, shared) => {
        await put(shared.inner, 'key', NEW);
        await store.stat('key');
      },
    ],
  ])('is not %s before its readers have opened it', async (_, change) => {
    const local = new FaultyTier();
    const { shared, store } = tiers({}, local);
    await put(shared.inner, 'key', OLD);
    let changed: Promise<unknown> | undefined;
    const opened = new Promise<void>((resolve) => {
      local.onOpen = async () => {
        changed ??= change(store, shared);
        await setImmediate(); // all work in memory is done by then, unless it waits
        resolve();
      };
    });
    const { body } = await mustOpen(store, 'key');
    await opened;
    await changed;
    expect((await rest(body)).equals(OLD)).toBe(true);
    expect(shared.asked.open).toBe(1);
  });
});

test('A new copy stays when a late answer describes an older object', async () => {
  const { shared, store } = tiers({ localMaxAge: 0 });
  await put(shared.inner, 'key', OLD);
  await assertContent(store, 'key', OLD);
  await put(shared.inner, 'key', NEW);
  const { stat } = shared;
  const [answered, answer] = door();
  const [asked, ask] = door();
  shared.stat = async (key) => {
    shared.stat = stat;
    ask();
    await answered;
    return stat.call(shared, key);
  };
  const looking = store.stat('key');
  await asked;
  for (let round = 0; round < 2; round += 1) await assertContent(store, 'key', NEW);
  answer();
  await looking;
  await assertContent(store, 'key', NEW);
  expect(shared.asked.open).toBe(2);
});

test('A local tier that refuses copies counts as failing', async () => {
  const local = new FaultyTier();
  local.put = async (_key, body) => {
    for await (const _ of body);
    throw new SnapshotError('PRECONDITION_FAILED', 'something else is there');
  };
  const { shared, store, failures } = tiers({}, local);
  await put(shared.inner, 'key', OLD);
  await assertContent(store, 'key', OLD);
  await put(store, 'key', NEW);
  await assertContent(store, 'key', NEW);
  await store.close();
  expect(failures.map(({ tier }) => tier)).toEqual(['local', 'local', 'local']);
});

describe.each(['at once', 'later'] as const)('Where the write of a copy fails %s,', (when) => {
  function withoutCopies() {
    const local = new FaultyTier();
    local.put = async (_key, body) => {
      for await (const _ of when === 'at once' ? [] : body) break;
      throw new Error('it is full');
    };
    return tiers({}, local);
  }

  test.each(CHANGES)('a slow reader reads all of an object that is %s', async (_, change) => {
    const { shared, store } = withoutCopies();
    await put(shared.inner, 'key', OLD);
    const { reached, release } = holdAt(shared, 3 * MIB);
    const slow = await mustOpen(store, 'key');
    const eager = await mustOpen(store, 'key');
    const read = rest(eager.body);
    await reached;
    await change(shared);
    release();
    expect((await read).equals(OLD)).toBe(true);
    expect((await rest(slow.body)).equals(OLD)).toBe(true);
  });
});

describe('Where there is no room for a copy,', () => {
  const withoutRoom = () => tiers({ localMaxAge: 0 }, new MemoryStore({ maxBytes: MIB }));

  test.each(CHANGES)(
    'a slow reader fails the first time that its object is %s',
    async (_, change) => {
      const { shared, store } = withoutRoom();
      await put(shared.inner, 'key', OLD);
      const { reached, release } = holdAt(shared, 3 * MIB);
      const { body } = await mustOpen(store, 'key');
      await reached;
      await change(shared);
      release();
      await expect(rest(body)).rejects.toMatchObject({ code: 'STORE_FAILED' });
    },
  );

  test.each(CHANGES)('a slow reader reads all of an object that is %s', async (_, change) => {
    const { shared, store } = withoutRoom();
    await put(store, 'other', OLD); // the store learns that the local tier has no room
    await put(shared.inner, 'key', OLD);
    const { reached, release } = holdAt(shared, 3 * MIB);
    const { body } = await mustOpen(store, 'key');
    await reached;
    await change(shared);
    release();
    expect((await rest(body)).equals(OLD)).toBe(true);
  });

  test('and then room again, a slow reader reads from the local tier', async () => {
    const local = new MemoryStore({ maxBytes: 5 * MIB });
    const { shared, store } = tiers({ localMaxAge: 0 }, local);
    const low = { priority: 'low' } as const;
    await put(store, 'other', OLD);
    await put(shared.inner, 'key', OLD, {}, low);
    await assertContent(store, 'key', OLD);
    await assertMiss(local, 'key');
    await store.delete('other');
    await put(store, 'key', OLD, {}, low);
    await put(shared.inner, 'key', NEW, {}, low);
    const before = shared.asked.open;
    const { body } = await mustOpen(store, 'key');
    await assertContent(store, 'key', NEW);
    expect((await rest(body)).equals(NEW)).toBe(true);
    expect(shared.asked.open).toBe(before + 1);
  });
});

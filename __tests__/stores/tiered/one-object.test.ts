import { setImmediate } from 'node:timers/promises';
import {
  assertContent,
  beginPut,
  contentOf,
  mustOpen,
  put,
  rest,
} from '../../../lib/testing/store-content.js';
import type { FaultyTier } from './faulty-tier.js';
import { tiers as allTiers, HOUR, MIB } from './tiers.js';

const CONTENT = contentOf('a', 2 * MIB);

/** A shared tier that failed is not asked again. */
const DOWN_LONG = { localMaxAge: 0, retryInterval: HOUR };
const tiers = () => allTiers(DOWN_LONG);

type Method = 'stat' | 'open' | 'put' | 'listReplaced';

/** Has the shared tier fail about one object, by one of its methods. */
function deny(shared: FaultyTier, denied: string, method: Method): () => void {
  const original = shared[method];
  const spy = jest.spyOn(shared, method).mockImplementation(async (...about: unknown[]) => {
    if (about[0] === denied) throw new Error('403: access is denied');
    return await Reflect.apply(original, shared, about);
  });
  return () => spy.mockRestore();
}

describe.each(['stat', 'open', 'put'] as const)(
  'When the shared tier denies %s of one object',
  (method) => {
    test('all others are read from it, and written to it', async () => {
      const { shared, store, failures } = tiers();
      await put(shared.inner, 'denied', CONTENT);
      await put(shared.inner, 'other', CONTENT);
      deny(shared, 'denied', method);
      if (method === 'put') await put(store, 'denied', CONTENT);
      else expect(await store.open('denied')).toBeUndefined();
      expect(failures[0]).toMatchObject({ tier: 'shared', key: 'denied' });
      await assertContent(store, 'other', CONTENT);
      await put(store, 'more', CONTENT);
      await assertContent(shared.inner, 'more', CONTENT);
      expect(new Set(failures.map(({ key }) => key))).toEqual(new Set(['denied']));
    });
  },
);

test('What the shared tier has and does not give is not asked for again, and can be replaced', async () => {
  const { shared, store } = tiers();
  const archived = await put(shared.inner, 'key', CONTENT);
  const allow = deny(shared, 'key', 'open');
  expect(await store.open('key')).toBeUndefined();
  const { open } = shared;
  expect(await store.open('key')).toBeUndefined();
  expect(await store.stat('key')).toBeUndefined();
  expect(open).toHaveBeenCalledTimes(1);
  const stored = await put(store, 'key', contentOf('new'), {}, { ifRevision: null });
  expect(stored.revision).not.toBe(archived.revision);
  allow();
  await assertContent(store, 'key', contentOf('new'));
  await assertContent(shared.inner, 'key', contentOf('new'));
});

test('An object that others stored in place of one that the shared tier can not give stays', async () => {
  const { shared, store } = tiers();
  await put(shared.inner, 'key', CONTENT);
  deny(shared, 'key', 'open');
  expect(await store.open('key')).toBeUndefined();
  const write = beginPut(store, 'key', { ifRevision: null });
  await write.write(contentOf('new'));
  await put(shared.inner, 'key', contentOf('other'));
  await expect(write.finish()).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
  await assertContent(shared.inner, 'key', contentOf('other'));
});

test('What the shared tier did not give is stored again after it was deleted', async () => {
  const { shared, store } = tiers();
  await put(shared.inner, 'key', CONTENT);
  const allow = deny(shared, 'key', 'open');
  expect(await store.open('key')).toBeUndefined();
  await shared.inner.delete('key');
  allow();
  for (const seed of ['new', 'newer']) {
    await put(store, 'key', contentOf(seed), {}, { ifRevision: null });
    await assertContent(shared.inner, 'key', contentOf(seed));
    await shared.inner.delete('key');
  }
});

test('What the shared tier gives again is not replaced by a write in place of nothing', async () => {
  const { local, shared, store } = allTiers(); // which asks again at once
  await put(shared.inner, 'key', CONTENT);
  const allow = deny(shared, 'key', 'open');
  expect(await store.open('key')).toBeUndefined();
  allow();
  await assertContent(store, 'key', CONTENT);
  while ((await local.stat('key')) === undefined) await setImmediate(); // until all was read and copied
  const writing = put(store, 'key', contentOf('new'), {}, { ifRevision: null });
  await expect(writing).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
  await assertContent(store, 'key', CONTENT);
});

describe('When the shared tier fails about replaced revisions of an object', () => {
  async function withReplaced(method: 'listReplaced' | 'open') {
    const { shared, store } = tiers();
    const { revision } = await put(shared.inner, 'key', CONTENT);
    const condition = { ifRevision: revision };
    const stored = await put(shared.inner, 'key', contentOf('new'), {}, condition);
    const allow = deny(shared, 'key', method);
    return { shared, store, revision, stored, allow };
  }

  test('it is asked about them no more, and the object is served', async () => {
    const { shared, store, revision, stored } = await withReplaced('listReplaced');
    for (let round = 0; round < 2; round += 1)
      expect(await store.listReplaced?.('key')).toEqual([]);
    expect(shared.listReplaced).toHaveBeenCalledTimes(1);
    expect(await store.stat('key')).toEqual(stored);
    await assertContent(store, 'key', contentOf('new'));
    await assertContent(store, 'key', CONTENT, { revision });
  });

  test('the object is served, and stored again after it was deleted', async () => {
    const { shared, store, revision, stored, allow } = await withReplaced('open');
    expect(await store.open('key', { revision })).toBeUndefined();
    allow();
    expect(await store.stat('key')).toEqual(stored);
    await assertContent(store, 'key', contentOf('new'));
    await store.delete('key');
    await put(store, 'key', contentOf('newer'), {}, { ifRevision: null });
    await assertContent(shared.inner, 'key', contentOf('newer'));
  });
});

test('A shared tier that hangs only for lists of replaced revisions still serves its stored objects', async () => {
  const { shared, store, failures } = allTiers({ ...DOWN_LONG, responseTimeout: 50 });
  const stored = await put(shared.inner, 'key', CONTENT);
  jest.spyOn(shared, 'listReplaced').mockImplementation(() => new Promise(() => {}));
  expect(await store.listReplaced?.('key')).toEqual([]);
  expect(await store.stat('key')).toEqual(stored);
  await assertContent(store, 'key', CONTENT);
  expect(failures).toHaveLength(1);
});

test('An object whose bytes break off does not keep others from being read', async () => {
  const { shared, store } = tiers();
  await put(shared.inner, 'broken', CONTENT);
  await put(shared.inner, 'other', CONTENT);
  shared.onRead = async (offset) => {
    if (offset > 0) throw new Error('the checksum is wrong');
  };
  const { body } = await mustOpen(store, 'broken');
  await expect(rest(body)).rejects.toMatchObject({ message: 'the checksum is wrong' });
  shared.onRead = async () => {};
  await assertContent(store, 'other', CONTENT);
});

test('A copy is served although the shared tier can no longer give its object', async () => {
  const { shared, store } = tiers();
  await put(store, 'key', CONTENT);
  deny(shared, 'key', 'open');
  await assertContent(store, 'key', CONTENT);
});

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

/** A far tier that failed is not asked again. */
const DOWN_LONG = { checkInterval: 0, retryInterval: HOUR };
const tiers = () => allTiers(DOWN_LONG);

type Method = 'stat' | 'open' | 'put' | 'listReplaced';

/** Has the far tier fail about one object, by one of its methods. */
function deny(far: FaultyTier, denied: string, method: Method): () => void {
  const original = far[method];
  const spy = jest.spyOn(far, method).mockImplementation(async (...about: unknown[]) => {
    if (about[0] === denied) throw new Error('403: access is denied');
    return await Reflect.apply(original, far, about);
  });
  return () => spy.mockRestore();
}

describe.each(['stat', 'open', 'put'] as const)(
  'When the far tier denies %s of one object',
  (method) => {
    test('all others are read from it, and written to it', async () => {
      const { far, store, failures } = tiers();
      await put(far.inner, 'denied', CONTENT);
      await put(far.inner, 'other', CONTENT);
      deny(far, 'denied', method);
      if (method === 'put') await put(store, 'denied', CONTENT);
      else expect(await store.open('denied')).toBeUndefined();
      expect(failures[0]).toMatchObject({ tier: 'far', key: 'denied' });
      await assertContent(store, 'other', CONTENT);
      await put(store, 'more', CONTENT);
      await assertContent(far.inner, 'more', CONTENT);
      expect(new Set(failures.map(({ key }) => key))).toEqual(new Set(['denied']));
    });
  },
);

test('What the far tier has and does not give is not asked for again, and can be replaced', async () => {
  const { far, store } = tiers();
  const archived = await put(far.inner, 'key', CONTENT);
  const allow = deny(far, 'key', 'open');
  expect(await store.open('key')).toBeUndefined();
  const { open } = far;
  expect(await store.open('key')).toBeUndefined();
  expect(await store.stat('key')).toBeUndefined();
  expect(open).toHaveBeenCalledTimes(1);
  const stored = await put(store, 'key', contentOf('new'), {}, { ifRevision: null });
  expect(stored.revision).not.toBe(archived.revision);
  allow();
  await assertContent(store, 'key', contentOf('new'));
  await assertContent(far.inner, 'key', contentOf('new'));
});

test('An object that others stored in place of one that the far tier can not give stays', async () => {
  const { far, store } = tiers();
  await put(far.inner, 'key', CONTENT);
  deny(far, 'key', 'open');
  expect(await store.open('key')).toBeUndefined();
  const write = beginPut(store, 'key', { ifRevision: null });
  await write.write(contentOf('new'));
  await put(far.inner, 'key', contentOf('other'));
  await expect(write.finish()).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
  await assertContent(far.inner, 'key', contentOf('other'));
});

test('What the far tier did not give is stored again after it was deleted', async () => {
  const { far, store } = tiers();
  await put(far.inner, 'key', CONTENT);
  const allow = deny(far, 'key', 'open');
  expect(await store.open('key')).toBeUndefined();
  await far.inner.delete('key');
  allow();
  for (const seed of ['new', 'newer']) {
    await put(store, 'key', contentOf(seed), {}, { ifRevision: null });
    await assertContent(far.inner, 'key', contentOf(seed));
    await far.inner.delete('key');
  }
});

test('What the far tier gives again is not replaced by a write in place of nothing', async () => {
  const { near, far, store } = allTiers(); // which asks again at once
  await put(far.inner, 'key', CONTENT);
  const allow = deny(far, 'key', 'open');
  expect(await store.open('key')).toBeUndefined();
  allow();
  await assertContent(store, 'key', CONTENT);
  while ((await near.stat('key')) === undefined) await setImmediate(); // until all was read and copied
  const writing = put(store, 'key', contentOf('new'), {}, { ifRevision: null });
  await expect(writing).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
  await assertContent(store, 'key', CONTENT);
});

describe('When the far tier fails about replaced revisions of an object', () => {
  async function withReplaced(method: 'listReplaced' | 'open') {
    const { far, store } = tiers();
    const { revision } = await put(far.inner, 'key', CONTENT);
    const condition = { ifRevision: revision };
    const stored = await put(far.inner, 'key', contentOf('new'), {}, condition);
    const allow = deny(far, 'key', method);
    return { far, store, revision, stored, allow };
  }

  test('it is asked about them no more, and the object is served', async () => {
    const { far, store, revision, stored } = await withReplaced('listReplaced');
    for (let round = 0; round < 2; round += 1)
      expect(await store.listReplaced?.('key')).toEqual([]);
    expect(far.listReplaced).toHaveBeenCalledTimes(1);
    expect(await store.stat('key')).toEqual(stored);
    await assertContent(store, 'key', contentOf('new'));
    await assertContent(store, 'key', CONTENT, { revision });
  });

  test('the object is served, and stored again after it was deleted', async () => {
    const { far, store, revision, stored, allow } = await withReplaced('open');
    expect(await store.open('key', { revision })).toBeUndefined();
    allow();
    expect(await store.stat('key')).toEqual(stored);
    await assertContent(store, 'key', contentOf('new'));
    await store.delete('key');
    await put(store, 'key', contentOf('newer'), {}, { ifRevision: null });
    await assertContent(far.inner, 'key', contentOf('newer'));
  });
});

test('A far tier that hangs only for lists of replaced revisions still serves its stored objects', async () => {
  const { far, store, failures } = allTiers({ ...DOWN_LONG, responseTimeout: 50 });
  const stored = await put(far.inner, 'key', CONTENT);
  jest.spyOn(far, 'listReplaced').mockImplementation(() => new Promise(() => {}));
  expect(await store.listReplaced?.('key')).toEqual([]);
  expect(await store.stat('key')).toEqual(stored);
  await assertContent(store, 'key', CONTENT);
  expect(failures).toHaveLength(1);
});

test('An object whose bytes break off does not keep others from being read', async () => {
  const { far, store } = tiers();
  await put(far.inner, 'broken', CONTENT);
  await put(far.inner, 'other', CONTENT);
  far.onRead = async (offset) => {
    if (offset > 0) throw new Error('the checksum is wrong');
  };
  const { body } = await mustOpen(store, 'broken');
  await expect(rest(body)).rejects.toMatchObject({ message: 'the checksum is wrong' });
  far.onRead = async () => {};
  await assertContent(store, 'other', CONTENT);
});

test('A copy is served although the far tier can no longer give its object', async () => {
  const { far, store } = tiers();
  await put(store, 'key', CONTENT);
  deny(far, 'key', 'open');
  await assertContent(store, 'key', CONTENT);
});

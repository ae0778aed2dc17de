import { MemoryStore } from '../../lib/stores/memory.js';
import { storeContract } from '../../lib/testing/index.js';
import {
  assertContent,
  beginPut,
  bodyOf,
  contentOf,
  listedKeys,
  put,
} from '../../lib/testing/store-content.js';
import { memoryInUse } from './collect-garbage.js';

const MIB = 1024 * 1024;

describe('MemoryStore contract', () => {
  storeContract({
    test,
    factory: () => ({
      store: new MemoryStore({ maxBytes: 64 * MIB }),
      withBudget: (maxBytes) => new MemoryStore({ maxBytes }),
    }),
  });
});

describe('A MemoryStore', () => {
  test('evicts the least recently opened object first', async () => {
    const store = new MemoryStore({ maxBytes: 3 * MIB + 1000 });
    for (const key of ['a', 'b', 'c']) await put(store, key, contentOf(key, MIB));
    await assertContent(store, 'a', contentOf('a', MIB));
    await store.stat('b'); // does not count as a use
    await put(store, 'd', contentOf('d', MIB));
    expect(await listedKeys(store)).toEqual(['a', 'c', 'd']);
  });

  test('counts keys and metadata against its budget', async () => {
    const store = new MemoryStore({ maxBytes: 100_000 });
    for (let index = 0; index < 100; index += 1) {
      await put(store, `key ${index}`, Buffer.alloc(0), { text: 'x'.repeat(10_000) });
    }
    expect((await listedKeys(store)).length).toBe(9);
  });

  test('keeps neither an object over the budget nor the one that it replaces, and keeps all others', async () => {
    const store = new MemoryStore({ maxBytes: MIB });
    await put(store, 'other', contentOf('other'));
    await put(store, 'key', contentOf('old'));
    const written = await store.put('key', bodyOf(contentOf('a', MIB), contentOf('b', 1)));
    expect(written).toMatchObject({ key: 'key', size: MIB + 1 });
    expect(await listedKeys(store)).toEqual(['other']);
  });

  test('keeps nothing with a budget of 0', async () => {
    const store = new MemoryStore({ maxBytes: 0 });
    expect(await put(store, 'key', Buffer.alloc(0))).toMatchObject({ size: 0 });
    await put(store, 'key', contentOf('a'));
    expect(await store.open('key')).toBeUndefined();
    expect(await listedKeys(store)).toEqual([]);
  });

  test.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY])(
    'refuses a maxBytes of %p',
    (maxBytes) => {
      expect(() => new MemoryStore({ maxBytes })).toThrow(
        expect.objectContaining({ code: 'INVALID_OPTIONS' }),
      );
    },
  );

  test('returns descriptions that cannot be used to change an object', async () => {
    const store = new MemoryStore({ maxBytes: MIB });
    const { metadata } = await put(store, 'key', contentOf('a'), { name: 'value' });
    Reflect.set(metadata, 'name', 'other');
    expect((await store.stat('key'))?.metadata).toEqual({ name: 'value' });
  });

  test('takes little memory for a small object', async () => {
    const store = new MemoryStore({ maxBytes: MIB });
    const before = await memoryInUse();
    for (let index = 0; index < 500; index += 1) await put(store, `${index}`, contentOf('a', 100));
    expect((await memoryInUse()) - before).toBeLessThan(5 * MIB);
    expect((await listedKeys(store)).length).toBe(500);
  });

  test('takes no more memory than the budget for a write', async () => {
    const store = new MemoryStore({ maxBytes: MIB });
    const before = await memoryInUse();
    const write = beginPut(store, 'key');
    for (let index = 0; index < 50; index += 1) await write.write(contentOf('a', MIB));
    expect((await memoryInUse()) - before).toBeLessThan(10 * MIB);
    await write.fail();
  });
});

import { access, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { FileSystemStore, SnapshotError, TieredStore } from '../../../lib/index.js';
import {
  assertContent,
  assertMiss,
  beginPut,
  bodyOf,
  contentOf,
  mustOpen,
  put,
} from '../../../lib/testing/store-content.js';
import { cleanup } from '../../support/temporary-directory.js';
import { FaultyTier } from './faulty-tier.js';
import { MIB, tiers } from './tiers.js';

const OLD = contentOf('old', 4 * MIB);
const NEW = contentOf('new', 3 * MIB);

const { directory } = cleanup(afterEach);

describe('A local tier', () => {
  test('knows after a restart which objects its copies are of', async () => {
    const local = new FileSystemStore({ directory: await directory() });
    const { shared, store } = tiers({}, local);
    const stored = await put(shared.inner, 'key', OLD, { shared: 'x', metadata: '{}' });
    // The second time, it is read from the local tier.
    for (let round = 0; round < 2; round += 1) await assertContent(store, 'key', OLD);
    const again = new TieredStore({ local, shared });
    const { body, ...found } = await mustOpen(again, 'key');
    body.destroy();
    expect(found).toMatchObject(stored);
    await assertContent(again, 'key', OLD);
    expect(shared.asked.open).toBe(1);
  });

  test.each([
    ['that are not copies', {}],
    ['with other metadata', { metadata: '{"a":1}' }],
    ['with broken metadata', { metadata: '{', shared: 'x' }],
    ['with the description of nothing', { metadata: '{}', shared: '{"revision":1}' }],
  ])('does not serve objects %s', async (_, metadata) => {
    const { local, shared, store } = tiers();
    await put(local, 'key', NEW, metadata);
    await assertMiss(store, 'key');
    await put(shared.inner, 'key', OLD);
    await assertContent(store, 'key', OLD);
  });
});

describe('A write', () => {
  test('goes to both tiers, and reads nothing from the shared tier', async () => {
    const { shared, store } = tiers();
    const stored = await put(store, 'key', OLD, { of: 'old' });
    expect(await shared.inner.stat('key')).toEqual(stored);
    await assertContent(store, 'key', OLD);
    await assertContent(shared.inner, 'key', OLD);
    expect(shared.asked.open).toBe(0);
  });

  test('of an object without bytes goes to the shared tier alone, if that takes it', async () => {
    const { local, shared, store } = tiers();
    await put(store, 'key', OLD);
    const stored = await put(store, 'key', Buffer.alloc(0), { of: 'a check' });
    expect(await store.stat('key')).toEqual(stored);
    await assertContent(store, 'key', Buffer.alloc(0));
    expect(await local.stat('key')).toBeUndefined();
    shared.state = 'failing';
    await put(store, 'other', Buffer.alloc(0));
    expect(await local.stat('other')).toMatchObject({ size: 0 });
  });

  test('goes to the shared tier alone when the local one fails', async () => {
    const local = new FaultyTier();
    const { shared, store, failures } = tiers({}, local);
    const write = beginPut(store, 'key');
    await write.write(OLD);
    local.state = 'failing';
    const stored = await write.finish();
    local.state = 'up';
    expect(failures).toMatchObject([{ tier: 'local', key: 'key' }]);
    expect(await shared.inner.stat('key')).toEqual(stored);
    await assertContent(store, 'key', OLD);
  });

  test('goes to the local tier alone when the shared one fails, however many chunks follow', async () => {
    const { shared, store, failures } = tiers();
    shared.state = 'failing';
    const unhandled = jest.fn();
    process.once('unhandledRejection', unhandled);
    const chunks = Array.from({ length: 5 }, () => NEW);
    expect(await store.put('key', bodyOf(...chunks))).toMatchObject({ size: 5 * NEW.length });
    await setImmediate();
    process.off('unhandledRejection', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
    expect(failures).toMatchObject([{ tier: 'shared', key: 'key' }]);
  });

  test('fails when both tiers fail', async () => {
    const local = new FaultyTier();
    const { shared, store } = tiers({}, local);
    const write = beginPut(store, 'key');
    await write.write(OLD);
    local.state = 'failing';
    shared.state = 'failing';
    await expect(write.finish()).rejects.toMatchObject({ code: 'STORE_FAILED' });
  });

  test('of a file moves it to the local tier, and a copy to the shared tier', async () => {
    const path = await directory();
    const local = new FileSystemStore({ directory: join(path, 'local') });
    const { shared, store } = tiers({}, local);
    const file = join(path, 'file');
    await writeFile(file, OLD);
    const stored = await store.putFile?.('key', file, { metadata: { of: 'old' } });
    expect(await shared.inner.stat('key')).toEqual(stored);
    await assertContent(shared.inner, 'key', OLD);
    await assertContent(new TieredStore({ local, shared }), 'key', OLD);
    expect(shared.asked.open).toBe(0);
  });

  test('of a file that is aborted changes nothing', async () => {
    const path = await directory();
    const local = new FileSystemStore({ directory: join(path, 'local') });
    const { shared, store, failures } = tiers({}, local);
    const file = join(path, 'file');
    await writeFile(file, OLD);
    const controller = new AbortController();
    const reason = new Error('no longer wanted');
    const { put: putInShared } = shared;
    shared.put = async (...args) => {
      controller.abort(reason);
      return putInShared.apply(shared, args);
    };
    const taking = store.putFile?.('key', file, { signal: controller.signal });
    await expect(taking).rejects.toBe(reason);
    await access(file);
    await assertMiss(store, 'key');
    expect([shared.aborts, failures]).toEqual([1, []]);
  });

  test('of a file that cannot be read leaves nothing in the shared tier', async () => {
    const path = await directory();
    const local = new FileSystemStore({ directory: join(path, 'local') });
    const { shared, store } = tiers({}, local);
    // A directory can be opened as a file can, but not read.
    await expect(store.putFile?.('key', path)).rejects.toMatchObject({ code: 'STORE_FAILED' });
    expect([shared.asked.put, shared.aborts]).toEqual([1, 1]);
    await assertMiss(store, 'key');
  });

  test('of a file goes to the shared tier alone when the local one fails', async () => {
    const path = await directory();
    const local = new FileSystemStore({ directory: join(path, 'local') });
    const { shared, store, failures } = tiers({}, local);
    await writeFile(join(path, 'local'), 'not a directory');
    const file = join(path, 'file');
    await writeFile(file, OLD);
    const stored = await store.putFile?.('key', file);
    expect(await shared.inner.stat('key')).toEqual(stored);
    expect(failures).toMatchObject([{ tier: 'local', key: 'key' }]);
    expect(await readdir(path)).toEqual(['local']);
  });
});

describe('A write that the shared tier refuses', () => {
  const REFUSED = { code: 'PRECONDITION_FAILED' };
  const refusal = () => new SnapshotError('PRECONDITION_FAILED', 'something else is there');

  test.each(['at its beginning', 'at its first chunk', 'at its end'] as const)(
    '%s is refused, leaves nothing behind, and is no failure of a tier',
    async (step) => {
      const { local, shared, store, failures } = tiers({ retryInterval: 60_000 });
      const stored = await put(shared.inner, 'key', OLD);
      const { put: putInShared } = shared;
      shared.put = async (_key, body) => {
        if (step === 'at its beginning') throw refusal();
        for await (const _ of body) if (step === 'at its first chunk') throw refusal();
        throw refusal();
      };
      await expect(put(store, 'key', NEW, {}, { ifRevision: null })).rejects.toMatchObject(REFUSED);
      await assertMiss(local, 'key');
      shared.put = putInShared;
      await put(store, 'key', NEW, {}, { ifRevision: stored.revision });
      await assertContent(shared.inner, 'key', NEW);
      expect(failures).toEqual([]);
    },
  );

  test('leaves the file that was to be taken', async () => {
    const path = await directory();
    const local = new FileSystemStore({ directory: join(path, 'local') });
    const { shared, store, failures } = tiers({ retryInterval: 60_000 }, local);
    const stored = await put(shared.inner, 'key', OLD);
    const file = join(path, 'file');
    await writeFile(file, NEW);
    const taking = store.putFile?.('key', file, { ifRevision: null });
    await expect(taking).rejects.toMatchObject(REFUSED);
    await access(file);
    await assertMiss(local, 'key');
    expect(await store.stat('key')).toEqual(stored);
    await store.putFile?.('key', file, { ifRevision: stored.revision });
    await assertContent(shared.inner, 'key', NEW);
    expect(failures).toEqual([]);
  });

  test('goes to the local tier while the shared one is down', async () => {
    const { shared, store } = tiers();
    const { revision } = await put(store, 'key', OLD);
    shared.state = 'failing';
    await put(store, 'key', NEW, {}, { ifRevision: revision });
    await put(store, 'key', NEW, {}, { ifRevision: null });
    await assertContent(store, 'key', NEW);
    shared.state = 'up';
    await assertContent(store, 'key', OLD);
  });
});

const ONE = new FaultyTier();

test.each<[string, object]>([
  ['same', { local: ONE, shared: ONE }],
  ['shared', { local: new FaultyTier() }],
  ['local', { local: {}, shared: new FaultyTier() }],
  ['localMaxAge', { local: new FaultyTier(), shared: new FaultyTier(), localMaxAge: -1 }],
  ['timeout', { local: new FaultyTier(), shared: new FaultyTier(), timeout: 1 }],
])('A wrong %s is refused', (name, options) => {
  expect(() => Reflect.construct(TieredStore, [options])).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTIONS', message: expect.stringContaining(name) }),
  );
});

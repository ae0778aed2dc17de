import { access, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FileSystemStore, SnapshotError, TieredStore } from '../../../lib/index.js';
import {
  assertContent,
  assertMiss,
  beginPut,
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

describe('A near tier', () => {
  test('knows after a restart which objects its copies are of', async () => {
    const near = new FileSystemStore({ directory: await directory() });
    const { far, store } = tiers({}, near);
    const stored = await put(far.inner, 'key', OLD, { far: 'x', metadata: '{}' });
    // The second time, it is read from the near tier.
    for (let round = 0; round < 2; round += 1) await assertContent(store, 'key', OLD);
    const again = new TieredStore({ near, far });
    const { body, ...found } = await mustOpen(again, 'key');
    body.destroy();
    expect(found).toMatchObject(stored);
    await assertContent(again, 'key', OLD);
    expect(far.asked.open).toBe(1);
  });

  test.each([
    ['that are not copies', {}],
    ['with other metadata', { metadata: '{"a":1}' }],
    ['with broken metadata', { metadata: '{', far: 'x' }],
    ['with the description of nothing', { metadata: '{}', far: '{"revision":1}' }],
  ])('does not serve objects %s', async (_, metadata) => {
    const { near, far, store } = tiers();
    await put(near, 'key', NEW, metadata);
    await assertMiss(store, 'key');
    await put(far.inner, 'key', OLD);
    await assertContent(store, 'key', OLD);
  });
});

describe('A write', () => {
  test('goes to both tiers, and reads nothing from the far tier', async () => {
    const { far, store } = tiers();
    const stored = await put(store, 'key', OLD, { of: 'old' });
    expect(await far.inner.stat('key')).toEqual(stored);
    await assertContent(store, 'key', OLD);
    await assertContent(far.inner, 'key', OLD);
    expect(far.asked.open).toBe(0);
  });

  test('goes to the far tier alone when the near one fails', async () => {
    const near = new FaultyTier();
    const { far, store, failures } = tiers({}, near);
    const write = beginPut(store, 'key');
    await write.write(OLD);
    near.state = 'failing';
    const stored = await write.finish();
    near.state = 'up';
    expect(failures).toMatchObject([{ tier: 'near', key: 'key' }]);
    expect(await far.inner.stat('key')).toEqual(stored);
    await assertContent(store, 'key', OLD);
  });

  test('fails when both tiers fail', async () => {
    const near = new FaultyTier();
    const { far, store } = tiers({}, near);
    const write = beginPut(store, 'key');
    await write.write(OLD);
    near.state = 'failing';
    far.state = 'failing';
    await expect(write.finish()).rejects.toMatchObject({ code: 'STORE_FAILED' });
  });

  test('of a file moves it to the near tier, and a copy to the far tier', async () => {
    const path = await directory();
    const near = new FileSystemStore({ directory: join(path, 'near') });
    const { far, store } = tiers({}, near);
    const file = join(path, 'file');
    await writeFile(file, OLD);
    const stored = await store.putFile?.('key', file, { metadata: { of: 'old' } });
    expect(await far.inner.stat('key')).toEqual(stored);
    await assertContent(far.inner, 'key', OLD);
    await assertContent(new TieredStore({ near, far }), 'key', OLD);
    expect(far.asked.open).toBe(0);
  });

  test('of a file that is aborted changes nothing', async () => {
    const path = await directory();
    const near = new FileSystemStore({ directory: join(path, 'near') });
    const { far, store, failures } = tiers({}, near);
    const file = join(path, 'file');
    await writeFile(file, OLD);
    const controller = new AbortController();
    const reason = new Error('no longer wanted');
    const { put: putInFar } = far;
    far.put = async (...args) => {
      controller.abort(reason);
      return putInFar.apply(far, args);
    };
    const taking = store.putFile?.('key', file, { signal: controller.signal });
    await expect(taking).rejects.toBe(reason);
    await access(file);
    await assertMiss(store, 'key');
    expect([far.aborts, failures]).toEqual([1, []]);
  });

  test('of a file that cannot be read leaves nothing in the far tier', async () => {
    const path = await directory();
    const near = new FileSystemStore({ directory: join(path, 'near') });
    const { far, store } = tiers({}, near);
    // A directory can be opened as a file can, but not read.
    await expect(store.putFile?.('key', path)).rejects.toMatchObject({ code: 'STORE_FAILED' });
    expect([far.asked.put, far.aborts]).toEqual([1, 1]);
    await assertMiss(store, 'key');
  });

  test('of a file goes to the far tier alone when the near one fails', async () => {
    const path = await directory();
    const near = new FileSystemStore({ directory: join(path, 'near') });
    const { far, store, failures } = tiers({}, near);
    await writeFile(join(path, 'near'), 'not a directory');
    const file = join(path, 'file');
    await writeFile(file, OLD);
    const stored = await store.putFile?.('key', file);
    expect(await far.inner.stat('key')).toEqual(stored);
    expect(failures).toMatchObject([{ tier: 'near', key: 'key' }]);
    expect(await readdir(path)).toEqual(['near']);
  });
});

describe('A write that the far tier refuses', () => {
  const REFUSED = { code: 'PRECONDITION_FAILED' };
  const refusal = () => new SnapshotError('PRECONDITION_FAILED', 'something else is there');

  test.each(['at its beginning', 'at its first chunk', 'at its end'] as const)(
    '%s is refused, leaves nothing behind, and is no failure of a tier',
    async (step) => {
      const { near, far, store, failures } = tiers({ retryInterval: 60_000 });
      const stored = await put(far.inner, 'key', OLD);
      const { put: putInFar } = far;
      far.put = async (_key, body) => {
        if (step === 'at its beginning') throw refusal();
        for await (const _ of body) if (step === 'at its first chunk') throw refusal();
        throw refusal();
      };
      await expect(put(store, 'key', NEW, {}, { ifRevision: null })).rejects.toMatchObject(REFUSED);
      await assertMiss(near, 'key');
      far.put = putInFar;
      await put(store, 'key', NEW, {}, { ifRevision: stored.revision });
      await assertContent(far.inner, 'key', NEW);
      expect(failures).toEqual([]);
    },
  );

  test('leaves the file that was to be taken', async () => {
    const path = await directory();
    const near = new FileSystemStore({ directory: join(path, 'near') });
    const { far, store, failures } = tiers({ retryInterval: 60_000 }, near);
    const stored = await put(far.inner, 'key', OLD);
    const file = join(path, 'file');
    await writeFile(file, NEW);
    const taking = store.putFile?.('key', file, { ifRevision: null });
    await expect(taking).rejects.toMatchObject(REFUSED);
    await access(file);
    await assertMiss(near, 'key');
    expect(await store.stat('key')).toEqual(stored);
    await store.putFile?.('key', file, { ifRevision: stored.revision });
    await assertContent(far.inner, 'key', NEW);
    expect(failures).toEqual([]);
  });

  test('goes to the near tier while the far one is down', async () => {
    const { far, store } = tiers();
    const { revision } = await put(store, 'key', OLD);
    far.state = 'failing';
    await put(store, 'key', NEW, {}, { ifRevision: revision });
    await put(store, 'key', NEW, {}, { ifRevision: null });
    await assertContent(store, 'key', NEW);
    far.state = 'up';
    await assertContent(store, 'key', OLD);
  });
});

const ONE = new FaultyTier();

test.each<[string, object]>([
  ['same', { near: ONE, far: ONE }],
  ['far', { near: new FaultyTier() }],
  ['near', { near: {}, far: new FaultyTier() }],
  ['checkInterval', { near: new FaultyTier(), far: new FaultyTier(), checkInterval: -1 }],
  ['timeout', { near: new FaultyTier(), far: new FaultyTier(), timeout: 1 }],
])('A wrong %s is refused', (name, options) => {
  expect(() => Reflect.construct(TieredStore, [options])).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTIONS', message: expect.stringContaining(name) }),
  );
});

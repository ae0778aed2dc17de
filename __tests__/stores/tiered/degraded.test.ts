import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { addAbortSignal, type Readable } from 'node:stream';
import { defaultSnapshot } from '../../../lib/artifact/id.js';
import { artifactKey } from '../../../lib/artifact/key.js';
import {
  createSnapshotService,
  FileSystemStore,
  parseRepository,
  type SnapshotEvents,
  type SnapshotService,
  type StoreFailure,
  type TieredStore,
  type TieredStoreOptions,
} from '../../../lib/index.js';
import {
  assertContent,
  assertMiss,
  contentOf,
  mustOpen,
  put,
  rest,
} from '../../../lib/testing/store-content.js';
import { listen } from '../../support/happenings.js';
import { cleanup } from '../../support/temporary-directory.js';
import { tiers as allTiers, HOUR, listedBeforeFailure, MIB } from './tiers.js';

const CONTENT = contentOf('a', 2 * MIB);

const { directory, defer } = cleanup(afterEach);

const ID = defaultSnapshot(parseRepository('git.example/a/b'));

async function startService(store: TieredStore): Promise<SnapshotService> {
  const service = createSnapshotService({
    dataDir: await directory(),
    hosts: [ID.repository.host],
    store,
  });
  defer(() => service.close());
  await service.started;
  return service;
}

/** Unlike `assertMiss` it does not list. */
async function assertNotGiven(store: TieredStore, key: string): Promise<void> {
  expect([await store.stat(key), await store.open(key)]).toEqual([undefined, undefined]);
}

/** The tiers are in memory, and answer before any timer: only a tier that hangs is late. */
const SHORT = { checkInterval: 0, responseTimeout: 50, stallTimeout: 50 };
const tiers = (options: Partial<TieredStoreOptions> = {}) => allTiers({ ...SHORT, ...options });

describe.each(['failing', 'hanging'] as const)('While the far tier is %s,', (state) => {
  test('copies in the near tier are served, and any other object is a miss', async () => {
    const { far, store, failures } = tiers();
    const stored = await put(store, 'key', CONTENT, { of: 'a' });
    await put(far.inner, 'other', CONTENT);
    far.state = state;
    expect(await store.stat('key')).toEqual(stored);
    await assertContent(store, 'key', CONTENT);
    await assertNotGiven(store, 'other');
    expect(failures.length).toBeGreaterThan(3);
    for (const failure of failures) {
      expect(failure).toMatchObject({ tier: 'far', error: { code: 'STORE_FAILED' } });
    }
    far.state = 'up';
    await assertContent(store, 'other', CONTENT);
  });

  test('writes go to the near tier, and last until the far tier answers without them', async () => {
    const { near, far, store, failures } = tiers();
    far.state = state;
    const stored = await put(store, 'key', CONTENT, { of: 'a' });
    expect(failures).toMatchObject([{ tier: 'far', key: 'key' }]);
    expect(await store.stat('key')).toEqual(stored);
    await assertContent(store, 'key', CONTENT);
    far.state = 'up';
    await assertMiss(store, 'key');
    await assertMiss(near, 'key');
  });

  test('a write that has begun goes on to the near tier', async () => {
    const { far, store, failures } = tiers();
    const writer = await store.create('key', {});
    await writer.write(CONTENT);
    far.state = state;
    await writer.write(CONTENT);
    await writer.commit();
    await assertContent(store, 'key', Buffer.concat([CONTENT, CONTENT]));
    expect(failures[0]).toMatchObject({ tier: 'far', key: 'key' });
    expect(far.aborts).toBe(1);
    far.state = 'up';
    await assertMiss(store, 'key');
  });

  test('a file is adopted by the near tier', async () => {
    const path = await directory();
    const near = new FileSystemStore({ directory: join(path, 'near') });
    const { far, store } = allTiers(SHORT, near);
    const file = join(path, 'file');
    await writeFile(file, CONTENT);
    far.state = state;
    const stored = await store.adopt?.('key', file, { of: 'a' });
    expect(stored).toMatchObject({ key: 'key', size: CONTENT.length, metadata: { of: 'a' } });
    expect(await store.stat('key')).toEqual(stored);
    await assertContent(store, 'key', CONTENT);
  });

  test('a deletion fails, because the object would come back', async () => {
    const { far, store } = tiers();
    await put(store, 'key', CONTENT);
    far.state = state;
    await expect(store.delete('key')).rejects.toMatchObject({ code: 'STORE_FAILED' });
    await assertNotGiven(store, 'key');
    far.state = 'up';
    await assertContent(store, 'key', CONTENT);
  });

  test('a list gives the copies in the near tier, and fails, because there may be more', async () => {
    const { far, store } = tiers();
    await put(store, 'key', CONTENT);
    await put(far.inner, 'other', CONTENT);
    far.state = state;
    expect(await listedBeforeFailure(store)).toEqual(['key']);
  });

  test('the service fails to delete an artifact, whatever the near tier has', async () => {
    const { far, store } = tiers();
    await put(far.inner, artifactKey(ID), CONTENT);
    const service = await startService(store);
    far.state = state;
    await expect(service.delete(ID)).rejects.toMatchObject({ code: 'STORE_FAILED' });
  });
});

test('The service deletes an artifact that the far tier can not describe', async () => {
  const { far, store } = tiers();
  await put(far.inner, artifactKey(ID), CONTENT);
  const service = await startService(store);
  jest.spyOn(far, 'stat').mockRejectedValue(new Error('it was archived'));
  await service.delete(ID);
  await assertMiss(far.inner, artifactKey(ID));
});

test('The service tells that an artifact was evicted only if there was one', async () => {
  const { far, store } = tiers();
  await put(far.inner, artifactKey(ID), CONTENT);
  const service = await startService(store);
  const evicted: string[] = [];
  listen(service, 'evicted', ({ key }) => evicted.push(key));
  for (let round = 0; round < 2; round += 1) await service.delete(ID);
  expect(evicted).toEqual([artifactKey(ID)]);
});

test('A far tier that failed is not used for the retryInterval', async () => {
  const { far, store, failures } = tiers({ retryInterval: HOUR });
  await put(store, 'key', CONTENT);
  far.state = 'failing';
  const before = { ...far.asked };
  for (let round = 0; round < 5; round += 1) await assertContent(store, 'key', CONTENT);
  await assertNotGiven(store, 'other');
  await put(store, 'more', CONTENT);
  expect(await listedBeforeFailure(store)).toEqual(['key', 'more']);
  expect(failures).toHaveLength(1);
  // Once more, to see that it is not because of the key.
  expect(far.asked).toEqual({ ...before, stat: before.stat + 2 });
});

test('A body that the far tier opens too late is destroyed', async () => {
  const { far, store } = tiers();
  const { open } = far;
  await put(far.inner, 'key', CONTENT);
  const late = new Promise<Readable>((resolve) => {
    far.open = async (key, options = {}) => {
      const opened = await open.call(far, key, options);
      const { signal } = options;
      if (signal === undefined || opened === undefined) throw new Error('not asked as expected');
      await once(signal, 'abort');
      addAbortSignal(signal, opened.body);
      resolve(opened.body);
      return opened;
    };
  });
  expect(await store.open('key')).toBeUndefined();
  expect((await late).destroyed).toBe(true);
});

test('A write that the far tier begins too late is aborted', async () => {
  const { far, store } = tiers();
  const { create } = far;
  let begin = () => {};
  far.create = async (...args) => {
    await new Promise<void>((resolve) => {
      begin = resolve;
    });
    return create.apply(far, args);
  };
  const aborted = new Promise<void>((resolve) => {
    Object.defineProperty(far, 'aborts', { get: () => 0, set: () => resolve() });
  });
  await put(store, 'key', CONTENT);
  begin();
  await aborted;
});

test('A list of the far tier that breaks off gives what the near tier has, without any key twice', async () => {
  const { far, store } = tiers();
  for (const key of ['a', 'b', 'c']) await put(store, key, CONTENT);
  far.onListed = async () => {
    far.state = 'failing';
  };
  expect(await listedBeforeFailure(store)).toEqual(['a', 'b', 'c']);
});

test('An aborted call does not count as a failure of the far tier', async () => {
  const { far, store, failures } = tiers({ responseTimeout: HOUR, retryInterval: HOUR });
  await put(far.inner, 'key', CONTENT);
  far.state = 'hanging';
  const controller = new AbortController();
  const { signal } = controller;
  const asking = [store.stat('key', { signal }), store.open('key', { signal })];
  controller.abort(new Error('no longer wanted'));
  for (const outcome of await Promise.allSettled(asking)) {
    expect(outcome).toEqual({ status: 'rejected', reason: signal.reason });
  }
  far.state = 'up';
  await assertContent(store, 'key', CONTENT);
  expect(failures).toEqual([]);
});

test('The service that uses the store reports its failures', async () => {
  const { far, store, failures } = tiers();
  const service = await startService(store);
  const told: SnapshotEvents['storeDegraded'][] = [];
  listen(service, 'storeDegraded', (failure) => told.push(failure));
  far.state = 'failing';
  await service.stat(ID);
  expect(told).toMatchObject([{ tier: 'far', key: artifactKey(ID) }]);
  expect(told).toEqual(failures);
});

describe('A listener that throws', () => {
  const fault = new Error('the log is full');
  const onFailure = () => {
    throw fault;
  };
  const emitWarning = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
  afterEach(() => void emitWarning.mockClear());
  afterAll(() => void emitWarning.mockRestore());

  test('keeps no copy from being served, and no other listener from being called', async () => {
    const { far, store } = tiers({ onFailure });
    const told: StoreFailure[] = [];
    store.watch((failure) => told.push(failure));
    await put(store, 'key', CONTENT);
    far.state = 'failing';
    await assertContent(store, 'key', CONTENT);
    await put(store, 'other', CONTENT);
    expect(told).toMatchObject([{ key: 'key' }, { key: 'other' }]);
    const detail = expect.stringContaining(fault.message);
    expect(emitWarning).toHaveBeenCalledWith(expect.any(String), { detail });
  });

  test('keeps no reader from failing, and no key from being read again', async () => {
    const { far, store } = tiers({ onFailure });
    await put(far.inner, 'key', CONTENT);
    far.onRead = async (offset) => {
      if (offset > 0) throw new Error('the connection broke');
    };
    const { body } = await mustOpen(store, 'key');
    await expect(rest(body)).rejects.toMatchObject({ message: 'the connection broke' });
    far.onRead = async () => {};
    await assertContent(store, 'key', CONTENT);
    await store.close();
    expect(emitWarning).toHaveBeenCalledTimes(1);
  });
});

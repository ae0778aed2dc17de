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
  type SnapshotService,
  type TieredStore,
} from '../../../lib/index.js';
import type { TieredStoreOptions } from '../../../lib/stores/index.js';
import {
  assertContent,
  assertMiss,
  beginPut,
  contentOf,
  mustOpen,
  put,
  rest,
} from '../../../lib/testing/store-content.js';
import { listen } from '../../support/service-events.js';
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
  await service.ready();
  return service;
}

/** Unlike `assertMiss` it does not list. */
async function assertNotGiven(store: TieredStore, key: string): Promise<void> {
  expect([await store.stat(key), await store.open(key)]).toEqual([undefined, undefined]);
}

/** The tiers are in memory, and answer before any timer: only a tier that hangs is late. */
const SHORT = { localMaxAge: 0, responseTimeout: 50, idleTimeout: 50 };
const tiers = (options: Partial<TieredStoreOptions> = {}) => allTiers({ ...SHORT, ...options });

describe.each(['failing', 'hanging'] as const)('While the shared tier is %s,', (state) => {
  test('copies in the local tier are served, and any other object is a miss', async () => {
    const { shared, store, failures } = tiers();
    const stored = await put(store, 'key', CONTENT, { of: 'a' });
    await put(shared.inner, 'other', CONTENT);
    shared.state = state;
    expect(await store.stat('key')).toEqual(stored);
    await assertContent(store, 'key', CONTENT);
    await assertNotGiven(store, 'other');
    expect(failures.length).toBeGreaterThan(3);
    for (const failure of failures) {
      expect(failure).toMatchObject({ tier: 'shared', error: { code: 'STORE_FAILED' } });
    }
    shared.state = 'up';
    await assertContent(store, 'other', CONTENT);
  });

  test('writes go to the local tier, and last until the shared tier answers without them', async () => {
    const { local, shared, store, failures } = tiers();
    shared.state = state;
    const stored = await put(store, 'key', CONTENT, { of: 'a' });
    expect(failures).toMatchObject([{ tier: 'shared', key: 'key' }]);
    expect(await store.stat('key')).toEqual(stored);
    await assertContent(store, 'key', CONTENT);
    shared.state = 'up';
    await assertMiss(store, 'key');
    await assertMiss(local, 'key');
  });

  test('a write that has begun goes on to the local tier', async () => {
    const { shared, store, failures } = tiers();
    const write = beginPut(store, 'key');
    await write.write(CONTENT);
    shared.state = state;
    await write.write(CONTENT);
    await write.finish();
    await assertContent(store, 'key', Buffer.concat([CONTENT, CONTENT]));
    expect(failures[0]).toMatchObject({ tier: 'shared', key: 'key' });
    expect(shared.aborts).toBe(1);
    shared.state = 'up';
    await assertMiss(store, 'key');
  });

  test('a file is taken by the local tier', async () => {
    const path = await directory();
    const local = new FileSystemStore({ directory: join(path, 'local') });
    const { shared, store } = allTiers(SHORT, local);
    const file = join(path, 'file');
    await writeFile(file, CONTENT);
    shared.state = state;
    const stored = await store.putFile?.('key', file, { metadata: { of: 'a' } });
    expect(stored).toMatchObject({ key: 'key', size: CONTENT.length, metadata: { of: 'a' } });
    expect(await store.stat('key')).toEqual(stored);
    await assertContent(store, 'key', CONTENT);
  });

  test('a deletion fails, because the object would come back', async () => {
    const { shared, store } = tiers();
    await put(store, 'key', CONTENT);
    shared.state = state;
    await expect(store.delete('key')).rejects.toMatchObject({ code: 'STORE_FAILED' });
    await assertNotGiven(store, 'key');
    shared.state = 'up';
    await assertContent(store, 'key', CONTENT);
  });

  test('a list gives the copies in the local tier, and fails, because there may be more', async () => {
    const { shared, store } = tiers();
    await put(store, 'key', CONTENT);
    await put(shared.inner, 'other', CONTENT);
    shared.state = state;
    expect(await listedBeforeFailure(store)).toEqual(['key']);
  });

  test('the service fails to delete an artifact, whatever the local tier has', async () => {
    const { shared, store } = tiers();
    await put(shared.inner, artifactKey(ID), CONTENT);
    const service = await startService(store);
    shared.state = state;
    await expect(service.delete(ID)).rejects.toMatchObject({ code: 'STORE_FAILED' });
  });
});

test('The service deletes an artifact that the shared tier can not describe', async () => {
  const { shared, store } = tiers();
  await put(shared.inner, artifactKey(ID), CONTENT);
  const service = await startService(store);
  jest.spyOn(shared, 'stat').mockRejectedValue(new Error('it was archived'));
  await service.delete(ID);
  await assertMiss(shared.inner, artifactKey(ID));
});

test('The service tells that an artifact was evicted only if there was one', async () => {
  const { shared, store } = tiers();
  await put(shared.inner, artifactKey(ID), CONTENT);
  const service = await startService(store);
  const evicted: object[] = [];
  listen(service, 'evicted', (about) => evicted.push(about));
  for (let round = 0; round < 2; round += 1) await service.delete(ID);
  expect(evicted).toEqual([{ repository: ID.repository, artifact: ID, reason: 'deleted' }]);
});

test('A shared tier that failed is not used for the retryInterval', async () => {
  const { shared, store, failures } = tiers({ retryInterval: HOUR });
  await put(store, 'key', CONTENT);
  shared.state = 'failing';
  const before = { ...shared.asked };
  for (let round = 0; round < 5; round += 1) await assertContent(store, 'key', CONTENT);
  await assertNotGiven(store, 'other');
  await put(store, 'more', CONTENT);
  expect(await listedBeforeFailure(store)).toEqual(['key', 'more']);
  expect(failures).toHaveLength(1);
  // Once more, to see that it is not because of the key.
  expect(shared.asked).toEqual({ ...before, stat: before.stat + 2 });
});

test('A body that the shared tier opens too late is destroyed', async () => {
  const { shared, store } = tiers();
  const { open } = shared;
  await put(shared.inner, 'key', CONTENT);
  const late = new Promise<Readable>((resolve) => {
    shared.open = async (key, options = {}) => {
      const opened = await open.call(shared, key, options);
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

test('A write that the shared tier begins too late is aborted', async () => {
  const { shared, store } = tiers();
  const { put: putInShared } = shared;
  let begin = () => {};
  shared.put = async (...args) => {
    await new Promise<void>((resolve) => {
      begin = resolve;
    });
    return putInShared.apply(shared, args);
  };
  const aborted = new Promise<void>((resolve) => {
    Object.defineProperty(shared, 'aborts', { get: () => 0, set: () => resolve() });
  });
  await put(store, 'key', CONTENT);
  begin();
  await aborted;
});

test('A list of the shared tier that breaks off gives what the local tier has, without any key twice', async () => {
  const { shared, store } = tiers();
  for (const key of ['a', 'b', 'c']) await put(store, key, CONTENT);
  shared.onListed = async () => {
    shared.state = 'failing';
  };
  expect(await listedBeforeFailure(store)).toEqual(['a', 'b', 'c']);
});

test('An aborted call does not count as a failure of the shared tier', async () => {
  const { shared, store, failures } = tiers({ responseTimeout: HOUR, retryInterval: HOUR });
  await put(shared.inner, 'key', CONTENT);
  shared.state = 'hanging';
  const controller = new AbortController();
  const { signal } = controller;
  const asking = [store.stat('key', { signal }), store.open('key', { signal })];
  controller.abort(new Error('no longer wanted'));
  for (const outcome of await Promise.allSettled(asking)) {
    expect(outcome).toEqual({ status: 'rejected', reason: signal.reason });
  }
  shared.state = 'up';
  await assertContent(store, 'key', CONTENT);
  expect(failures).toEqual([]);
});

test('Without onDegraded, each failure is one line on the console', async () => {
  const warn = jest.spyOn(console, 'warn').mockImplementation(() => {});
  defer(() => warn.mockRestore());
  const { shared, store } = tiers({ onDegraded: undefined });
  shared.state = 'failing';
  await store.stat('key');
  const line = 'TieredStore: the shared tier failed for key: STORE_FAILED: the bucket is gone';
  expect(warn.mock.calls).toEqual([[line]]);
});

describe('An onDegraded that throws', () => {
  const fault = new Error('the log is full');
  const onDegraded = () => {
    throw fault;
  };
  const emitWarning = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
  afterEach(() => void emitWarning.mockClear());
  afterAll(() => void emitWarning.mockRestore());

  test('keeps no copy from being served, and becomes a warning', async () => {
    const { shared, store } = tiers({ onDegraded });
    await put(store, 'key', CONTENT);
    shared.state = 'failing';
    await assertContent(store, 'key', CONTENT);
    await put(store, 'other', CONTENT);
    expect(emitWarning).toHaveBeenCalledTimes(2);
    const detail = expect.stringContaining(fault.message);
    expect(emitWarning).toHaveBeenCalledWith('onDegraded of the host app failed', { detail });
  });

  test('keeps no reader from failing, and no key from being read again', async () => {
    const { shared, store } = tiers({ onDegraded });
    await put(shared.inner, 'key', CONTENT);
    shared.onRead = async (offset) => {
      if (offset > 0) throw new Error('the connection broke');
    };
    const { body } = await mustOpen(store, 'key');
    await expect(rest(body)).rejects.toMatchObject({ message: 'the connection broke' });
    shared.onRead = async () => {};
    await assertContent(store, 'key', CONTENT);
    await store.close();
    expect(emitWarning).toHaveBeenCalledTimes(1);
  });
});

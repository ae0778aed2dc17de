/**
 * @one-node-version
 */

import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { defaultSnapshot } from '../../lib/artifact/id.js';
import { FileSystemStore, MemoryStore, TieredStore } from '../../lib/index.js';
import type { SnapshotStore } from '../../lib/stores/index.js';
import { holdDeadlines } from '../support/deadlines.js';
import { door } from '../support/door.js';
import {
  counter,
  type FreshRepository,
  freshRepository,
  next,
  read,
  readAtOnce,
  rebuilt,
} from '../support/fresh-repository.js';
import { HOST } from '../support/host-app.js';
import { listenOnce } from '../support/service-events.js';
import { push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);
const AT_ONCE = { maxAge: 0, checkInterval: 0 } as const;
const BUILD_TIMEOUT = 1_234_567;
const OTHER = { host: HOST, path: 'org/other' };

let repository: FreshRepository;

beforeEach(async () => {
  repository = await freshRepository({ directory, defer });
});

/** Has a store take a repository's snapshots for as long as the test runs. @returns resolves when it has the first one. */
function hang(store: SnapshotStore, path: string): Promise<void> {
  const put = store.put.bind(store);
  const [never, release] = door();
  // A close waits for the store.
  defer(release);
  const [hangs, reach] = door();
  store.put = async (key, ...rest) => {
    if (!key.includes(`/${path}/`)) return await put(key, ...rest);
    reach();
    await never;
    return await put(key, ...rest);
  };
  return hangs;
}

test('A refreshed snapshot that the store never finishes writing delays no other refresh of its host', async () => {
  const bare = await repository.add(OTHER.path);
  const store = new MemoryStore({ maxBytes: 1e9 });
  holdDeadlines(defer, BUILD_TIMEOUT);
  const timeouts = { buildTimeout: BUILD_TIMEOUT };
  const service = repository.start({ store, freshness: AT_ONCE, timeouts });
  for (const id of [repository.id, OTHER]) await read(service, defaultSnapshot(id));
  await push(repository.bare);
  const commit = await push(bare);
  const hangs = hang(store, repository.path);
  await read(service, repository.snapshot);
  await hangs;
  const isRebuilt = rebuilt(service, defaultSnapshot(OTHER));
  await read(service, defaultSnapshot(OTHER));
  await isRebuilt;
  expect((await read(service, defaultSnapshot(OTHER))).commit).toBe(commit);
});

test('A write that takes longer than buildTimeout is aborted, and the next one has its turn', async () => {
  await repository.add(OTHER.path);
  const store = new MemoryStore({ maxBytes: 1e9 });
  const letPass = holdDeadlines(defer, BUILD_TIMEOUT);
  const timeouts = { buildTimeout: BUILD_TIMEOUT };
  const service = repository.start({ store, timeouts, concurrency: { builds: 1 } });
  const hangs = hang(store, repository.path);
  const failed = next(service, 'store failed');
  const { bytes } = await readAtOnce(service, repository.snapshot);
  expect(bytes.length).toBeGreaterThan(0);
  await hangs;
  const waiting = readAtOnce(service, defaultSnapshot(OTHER));
  letPass();
  expect(await failed).toMatchObject({
    repository: repository.id,
    error: { code: 'STORE_FAILED' },
  });
  expect((await waiting).source).toBe('build');
});

test.each<[string, (maxBytes: number) => Promise<SnapshotStore>]>([
  ['memory', async (maxBytes) => new MemoryStore({ maxBytes })],
  ['files', async (maxBytes) => new FileSystemStore({ directory: await directory(), maxBytes })],
])(
  'A refresh of a snapshot over the budget of a store of %s fails, and builds it once',
  async (_, make) => {
    const service = repository.start({ store: await make(1000) });
    const built = counter(service, 'build started');
    await expect(service.refresh(repository.id)).rejects.toMatchObject({ code: 'STORE_FAILED' });
    expect(built()).toBe(1);
  },
);

test('A snapshot that the store failed to return, and then lost, is built and stored again', async () => {
  const shared = new MemoryStore({ maxBytes: 1e9 });
  const local = new MemoryStore({ maxBytes: 0 });
  const times = { localMaxAge: 0, retryInterval: 60 * 60_000 };
  const service = repository.start({
    store: new TieredStore({ local, shared, onDegraded: () => {}, ...times }),
  });
  await read(service, repository.snapshot);
  const denied = new Error('403: access is denied');
  const failing = jest.spyOn(shared, 'open').mockRejectedValueOnce(denied);
  expect(await service.openStored(repository.snapshot)).toBeUndefined();
  expect(failing).toHaveBeenCalledTimes(1);
  for await (const { key } of shared.list()) await shared.delete(key);
  expect((await read(service, repository.snapshot)).source).toBe('build');
  expect((await read(service, repository.snapshot)).source).toBe('store');
});

test('A build whose artifact was deleted meanwhile does not store it again: only a later build does', async () => {
  const path = await directory();
  const service = repository.start({ store: new FileSystemStore({ directory: path }) });
  await read(service, repository.snapshot);
  const commit = await push(repository.bare);
  const builds = counter(service, 'build done');
  // Right before the first build is stored.
  listenOnce(service, 'build done', () => {
    for (const name of readdirSync(path, { recursive: true, encoding: 'utf8' }))
      if (name.endsWith('.object')) rmSync(join(path, name));
  });
  expect(await service.refresh(repository.id)).toMatchObject({ commit });
  expect(builds()).toBe(2);
});

/**
 * @one-node-version
 */

import { EventEmitter, on } from 'node:events';
import { install } from '@sinonjs/fake-timers';
import {
  FileSystemStore,
  MemoryLocks,
  MemoryStore,
  type SnapshotOptions,
  TieredStore,
} from '../../lib/index.js';
import type { StoreFailure } from '../../lib/stores/index.js';
import { S3Store } from '../../lib/stores/s3/index.js';
import { fakeDate } from '../support/fake-date.js';
import { FakeS3, fail } from '../support/fake-s3.js';
import { type FreshRepository, freshRepository, read } from '../support/fresh-repository.js';
import { startS3Server } from '../support/s3-server.js';
import { push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';
import { WatchedLocks } from '../support/watched-locks.js';

/*
 * Services with disks of their own that share store and locks.
 */

const { directory, defer } = cleanup(afterEach);

/** Reports each commit whose snapshot it has. */
class TellingStore extends MemoryStore {
  readonly events = new EventEmitter<{ stored: [commit: string | undefined] }>();

  override async put(...about: Parameters<MemoryStore['put']>) {
    const stored = await super.put(...about);
    this.events.emit('stored', stored.metadata.commit);
    return stored;
  }

  /** Resolves when the snapshot of a commit is stored, from now on. */
  async has(commit: string): Promise<void> {
    for await (const [stored] of on(this.events, 'stored')) if (stored === commit) return;
  }
}

async function startReplicas(
  repository: FreshRepository,
  count: number,
  options: Partial<SnapshotOptions>,
) {
  return await Promise.all(
    Array.from({ length: count }, async () =>
      repository.start({ ...options, dataDir: await directory() }),
    ),
  );
}

test('When S3 stops, copies on disk are served, and other snapshots are built', async () => {
  const server = await startS3Server({ directory, defer });
  const repository = await freshRepository({ directory, defer });
  const local = new FileSystemStore({ directory: await directory() });
  const shared = new S3Store({
    bucket: await server.makeBucket(),
    config: { ...server.config, maxAttempts: 1 },
  });
  const failures: StoreFailure[] = [];
  const onDegraded = (failure: StoreFailure) => failures.push(failure);
  const store = new TieredStore({ local, shared, onDegraded });
  defer(() => store.close());
  const service = repository.start({ store });
  const whole = await read(service, repository.snapshot);
  await service.refresh(repository.id);
  await server.stop();
  const served = await read(service, repository.snapshot);
  expect([served.source, served.etag]).toEqual(['store', whole.etag]);
  expect((await read(service, { ...repository.snapshot, depth: 1 })).source).toBe('build');
  expect(failures[0]).toMatchObject({ tier: 'shared' });
});

test('An object that S3 fails to return is built again, and replaced for all replicas; other objects are served', async () => {
  const repository = await freshRepository({ directory, defer });
  const s3 = await FakeS3.start(defer);
  const failures: StoreFailure[] = [];
  const onDegraded = (failure: StoreFailure) => failures.push(failure);
  const start = async () => {
    const local = new FileSystemStore({ directory: await directory() });
    const shared = new S3Store({ bucket: 'bucket', config: s3.config });
    const store = new TieredStore({ local, shared, onDegraded });
    defer(() => store.close());
    return repository.start({ store, dataDir: await directory() });
  };
  const first = await start();
  const variant = { ...repository.snapshot, depth: 1 };
  for (const id of [repository.snapshot, variant]) await read(first, id);
  s3.before = ({ operation, req, res }) => {
    const isArchived = operation === 'GetObject' && req.url?.includes('/snapshot.object') === true;
    if (isArchived) fail(res, 403, 'InvalidObjectState');
    return isArchived;
  };
  const second = await start();
  expect((await read(second, repository.snapshot)).source).toBe('build');
  expect(failures).toMatchObject([{ tier: 'shared', error: { code: 'STORE_FAILED' } }]);
  expect((await read(second, variant)).source).toBe('store');
  expect((await read(second, repository.snapshot)).source).toBe('store');
  s3.before = () => false;
  expect((await read(await start(), repository.snapshot)).source).toBe('store');
  // Each replica finds out at first whether the server checks conditions.
  const writes = s3.requests.filter(
    ({ operation, name }) => operation === 'PutObject' && !name.startsWith('!probe/'),
  );
  expect(writes).toHaveLength(3);
});

test('A push is fetched by one of the replicas, and served by all', async () => {
  const repository = await freshRepository({ directory, defer });
  const store = new TellingStore({ maxBytes: 1e9 });
  const replicas = await startReplicas(repository, 3, { store, locks: new MemoryLocks() });
  for (const replica of replicas) {
    await read(replica, repository.snapshot);
    await replica.refresh(repository.id);
    await replica.ensureRefs(repository.id, { refs: new Map(), commits: [] });
  }
  const commit = await push(repository.bare);
  fakeDate(defer, 10 * 60_000);
  const asked = repository.upstream.requests.length;
  const rebuilt = store.has(commit);
  await Promise.all(replicas.map((replica) => read(replica, repository.snapshot)));
  await rebuilt;
  for (const replica of replicas) {
    expect(await read(replica, repository.snapshot)).toMatchObject({ source: 'store', commit });
  }
  await Promise.all(replicas.map((replica) => replica.close({ drain: true })));
  expect(repository.upstream.requests.slice(asked).map(({ service }) => service)).toEqual([
    'info-refs',
    'upload-pack',
  ]);
});

test('A push that is announced during the fetch of an earlier push is served', async () => {
  const repository = await freshRepository({ directory, defer });
  const store = new TellingStore({ maxBytes: 1e9 });
  const freshness = { maxAge: 60 * 60_000, checkInterval: 0 };
  const options = { store, locks: new MemoryLocks(), freshness };
  const replicas = await startReplicas(repository, 2, options);
  for (const replica of replicas) await read(replica, repository.snapshot);
  await replicas[0]?.refresh(repository.id);
  await push(repository.bare);
  const gate = repository.upstream.gate(repository.path, 20);
  await replicas[0]?.notifyPush(repository.url);
  await gate.reached;
  const commit = await push(repository.bare);
  const rebuilt = store.has(commit);
  for (const replica of replicas) await replica.notifyPush(repository.url);
  gate.release();
  await rebuilt;
  for (const replica of replicas) {
    expect(await read(replica, repository.snapshot)).toMatchObject({ source: 'store', commit });
  }
});

test('In each refreshInterval, one of the replicas checks the upstream for all of them', async () => {
  const repository = await freshRepository({ directory, defer });
  const clock = install({
    now: Date.now(),
    toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'],
  });
  defer(() => clock.uninstall());
  const { random } = Math;
  // All intervals end at the same time.
  Math.random = () => 0.5;
  defer(() => {
    Math.random = random;
  });
  const locks = new WatchedLocks();
  const looks = on(locks.events, 'released');
  const refreshInterval = 10_000;
  const freshness = { maxAge: 60 * 60_000, checkInterval: 0, refreshInterval };
  const options = { store: new MemoryStore({ maxBytes: 1e9 }), locks, freshness };
  const replicas = await startReplicas(repository, 3, options);
  for (const replica of replicas) await read(replica, repository.snapshot);
  const { upstream, path } = repository;
  let asked = upstream.infoRefs(path);
  for (let i = 0; i < 8; i++) {
    clock.tick(refreshInterval - 1);
    expect(upstream.infoRefs(path)).toBe(asked);
    clock.tick(1);
    for (let looked = 0; looked < replicas.length; ) {
      const { value } = await looks.next();
      if (value[0].endsWith('/check')) looked++;
    }
    expect(upstream.infoRefs(path)).toBe(++asked);
  }
});

/**
 * @one-node-version
 */
import { EventEmitter, once } from 'node:events';
import { existsSync } from 'node:fs';
import { checkKey } from '../../lib/artifact/key.js';
import { MemoryStore, type SnapshotService } from '../../lib/index.js';
import { MirrorManager } from '../../lib/mirror/mirrors.js';
import { rounds } from '../support/effort.js';
import { counter, next, read } from '../support/fresh-repository.js';
import type { HostApp } from '../support/host-app.js';
import { expectNothingLeft } from '../support/nothing-left.js';
import { ownRepository } from '../support/own-repository.js';
import { buildSmall, push } from '../support/small-repositories.js';
import { WatchedLocks } from '../support/watched-locks.js';

const repository = ownRepository(buildSmall);
let app: HostApp;
let service: SnapshotService;

beforeAll(async () => {
  app = await repository.sharedApp();
  ({ service } = app.router);
});

const hasMirror = () => existsSync(repository.mirrorIn(app.dataDir));
const status = async () =>
  (await service.listRepositories()).filter((each) => each.repository.path === repository.path);

test('A purge of a repository removes its mirror and all stored artifacts, and the next request clones it again', async () => {
  const old = await read(service, repository.snapshot);
  await read(service, { ...repository.snapshot, depth: 1 });
  const evicted = next(service, 'mirrorEvicted', repository.id);
  await service.purge(repository.id);
  expect((await evicted).bytes).toBeGreaterThan(0);
  expect(hasMirror()).toBe(false);
  expect(await service.statStored(repository.snapshot)).toBeUndefined();
  expect(await service.statStored({ ...repository.snapshot, depth: 1 })).toBeUndefined();
  expect(await status()).toEqual([]);
  expect(await service.notifyPush(repository.url)).toBe(false);

  const clones = counter(service, 'clone done', repository.id);
  expect(await read(service, repository.snapshot)).toEqual(old);
  expect(clones()).toBe(1);
});

test('A purge of a repository also removes the result of its last check, which replicas share', async () => {
  const store = new MemoryStore({ maxBytes: 1e9 });
  const locks = new WatchedLocks();
  const service = await repository.startService({ store, locks });
  await read(service, repository.snapshot);
  const key = checkKey(repository.id);
  const answered = locks.next('released', key);
  await service.notifyPush(repository.url);
  await answered;
  expect(await store.stat(key)).toBeDefined();
  await service.purge(repository.id);
  expect(await store.list().next()).toMatchObject({ done: true });
});

test.each([{ depth: 1 }, { ref: 'v1.0.0' }])(
  'After a purge, a repository can be cloned for %j',
  async (variant) => {
    const { commit } = await read(service, { ...repository.snapshot, ...variant });
    expect(commit).toHaveLength(40);
    expect(await status()).toMatchObject([{ repository: repository.id }]);
  },
);

test('A purge of an unknown repository does nothing', async () => {
  await service.purge(repository.id);
  expect(repository.upstream.infoRefs(repository.path)).toBe(0);
});

test('A purge of a repository removes a mirror that another service has made since the start', async () => {
  await service.ready();
  const other = await repository.startService({ dataDir: app.dataDir });
  await read(other, repository.snapshot);
  await other.close({ drain: true });
  expect(hasMirror()).toBe(true);
  await service.purge(repository.id);
  expect(hasMirror()).toBe(false);
});

test('A purge waits for a clone, and for the snapshot that is built from it', async () => {
  const gate = repository.upstream.gate(repository.path, 20);
  const reading = read(service, repository.snapshot);
  await gate.reached;
  const clones = counter(service, 'clone started', repository.id);
  const evicting = service.purge(repository.id);
  gate.release();
  expect((await reading).commit).toBe(await repository.head());
  await evicting;
  expect(clones()).toBe(0);
  expect(hasMirror()).toBe(false);
  expect(await service.statStored(repository.snapshot)).toBeUndefined();
});

test('A purge waits for a fetch', async () => {
  await read(service, repository.snapshot);
  const commit = await push(repository.bare);
  const gate = repository.upstream.gate(repository.path, 20);
  const refreshing = service.refresh(repository.id);
  await gate.reached;
  const evicting = service.purge(repository.id);
  gate.release();
  await Promise.all([refreshing, evicting]);
  await service.purge(repository.id);
  expect(hasMirror()).toBe(false);
  expect((await read(service, repository.snapshot)).commit).toBe(commit);
});

/** Holds the writes of variants until their gates open. Until then they keep the mirror in use. */
class GatedStore extends MemoryStore {
  readonly gates = new EventEmitter();

  override async put(...[key, ...rest]: Parameters<MemoryStore['put']>) {
    const [, variant] = key.split('&');
    const [, options] = rest;
    if (variant !== undefined) {
      const opened = once(this.gates, `open ${variant}`, { signal: options?.signal });
      this.gates.emit(`reached ${variant}`);
      await opened;
    }
    return await super.put(key, ...rest);
  }
}

test('A purge has its turn even if later requests need the mirror before it is free', async () => {
  const store = new GatedStore({ maxBytes: 1e9 });
  const service = await repository.startService({ store });
  const reached = once(store.gates, 'reached depth=1');
  const first = read(service, { ...repository.snapshot, depth: 1 });
  await reached;
  const evicting = service.purge(repository.id);
  store.gates.once('reached depth=2', async () => {
    await evicting;
    store.gates.emit('open depth=2');
  });
  const clones = counter(service, 'clone started', repository.id);
  const second = read(service, { ...repository.snapshot, depth: 2 });
  await next(service, 'miss');
  store.gates.emit('open depth=1');
  await Promise.all([evicting, first, second]);
  await service.close({ drain: true });
  expect(clones()).toBe(1);
});

test.each(['gone', '0'.repeat(40)])(
  'A purge and a search for the ref %s do not wait for each other',
  async (ref) => {
    const service = await repository.startService();
    await read(service, repository.snapshot);
    const evictions: Promise<void>[] = [];
    // After the mirror was found not to have it, and before the upstream is asked.
    const { discardIfDamaged } = MirrorManager.prototype;
    const finding = jest.spyOn(MirrorManager.prototype, 'discardIfDamaged');
    finding.mockImplementation(function (this: MirrorManager, ...about) {
      evictions.push(service.purge(repository.id));
      return discardIfDamaged.apply(this, about);
    });
    repository.defer(() => finding.mockRestore());
    const reading = read(service, { ...repository.snapshot, ref });
    await expect(reading).rejects.toMatchObject({ code: 'REF_NOT_FOUND' });
    expect(evictions.length).toBeGreaterThan(0);
    await Promise.all(evictions);
  },
);

test('A purge ends when the service is closed', async () => {
  const dataDir = await repository.directory();
  const service = await repository.startService({ dataDir });
  const gate = repository.upstream.gate(repository.path, 20);
  const reading = read(service, repository.snapshot);
  await gate.reached;
  const outcomes = await Promise.allSettled([
    service.purge(repository.id),
    reading,
    service.close(),
  ]);
  const closed = { status: 'rejected', reason: { code: 'CLOSED' } };
  expect(outcomes).toMatchObject([closed, closed, { status: 'fulfilled' }]);
  await expectNothingLeft(dataDir, repository.upstream);
});

test('A purge by one service fails no request to another one', async () => {
  const dataDir = await repository.directory();
  const a = await repository.startService({ dataDir });
  const b = await repository.startService({ dataDir });
  const whole = await read(a, repository.snapshot);
  await b.ready();
  for (let i = 0; i < rounds(5, 50); i++) {
    const readings = Array.from(
      { length: 4 },
      async (_, depth) => (await read(b, { ...repository.snapshot, depth: depth + 1 })).commit,
    );
    const [commits] = await Promise.all([Promise.all(readings), a.purge(repository.id)]);
    expect(new Set(commits)).toEqual(new Set([whole.commit]));
  }
  await Promise.all([a.close({ drain: true }), b.close({ drain: true })]);
  await expectNothingLeft(dataDir, repository.upstream);
});

/**
 * @one-node-version
 */
import { MemoryStore, type SnapshotService } from '../../lib/index.js';
import type { LockRegistry } from '../../lib/locks/index.js';
import { door } from '../support/door.js';
import { fakeDate } from '../support/fake-date.js';
import { counter, read, readAtOnce, rebuilt } from '../support/fresh-repository.js';
import { ownRepository } from '../support/own-repository.js';
import { git } from '../support/run.js';
import { buildSmall, push } from '../support/small-repositories.js';

/*
 * Services that build the same snapshot at the same time, because one has lost its lock without noticing.
 * Without the conditions of the store, the slowest one would replace newer snapshots.
 */

/** Locks that exclude nobody. */
const LOST: LockRegistry = {
  acquire: async () => ({ signal: new AbortController().signal, release: async () => {} }),
};

const repository = ownRepository(buildSmall);
let store: MemoryStore;
let slow: SnapshotService;
let other: SnapshotService;

beforeAll(async () => {
  store = new MemoryStore({ maxBytes: 1e9 });
  [slow, other] = [await start(), await start()];
});

async function start(): Promise<SnapshotService> {
  const freshness = { maxAge: 60 * 60_000, checkInterval: 0 };
  return (await repository.startSharedApp({ store, locks: LOST, freshness })).router.service;
}

/** Holds the next write of a snapshot or bundle back until it is released. */
function holdNextWrite() {
  const put = store.put.bind(store);
  const [released, release] = door();
  const [reached, reach] = door();
  const spy = jest.spyOn(store, 'put').mockImplementation(async (key, ...rest) => {
    if (key.endsWith('/check')) return await put(key, ...rest);
    spy.mockRestore();
    reach();
    await released;
    return await put(key, ...rest);
  });
  return { reached, release };
}

/** The failures that events of both services report. */
function failures(): () => number[] {
  const counters = [slow, other].flatMap((service) =>
    (['store failed', 'build failed'] as const).map((name) =>
      counter(service, name, repository.id),
    ),
  );
  return () => counters.map((count) => count());
}

test('An older snapshot that is ready later does not replace a newer one where none was stored', async () => {
  const failed = failures();
  const { reached, release } = holdNextWrite();
  const old = await repository.head();
  const first = readAtOnce(slow, repository.snapshot);
  await reached;
  expect(await first).toMatchObject({ commit: old, source: 'build' });
  const commit = await push(repository.bare);
  const stored = await other.refresh(repository.id);
  expect(stored.commit).toBe(commit);
  release();
  expect(await slow.statStored(repository.snapshot)).toEqual(stored);
  expect(await read(slow, repository.snapshot)).toMatchObject({ commit, source: 'store' });
  expect(failed()).toEqual([0, 0, 0, 0]);
});

test('An older snapshot that is ready later does not replace a newer one where another one was stored', async () => {
  await other.refresh(repository.id);
  await slow.refresh(repository.id);
  const failed = failures();
  await push(repository.bare);
  const { reached, release } = holdNextWrite();
  const refreshing = slow.refresh(repository.id);
  await reached;
  const commit = await push(repository.bare);
  const stored = await other.refresh(repository.id);
  expect(stored.commit).toBe(commit);
  release();
  expect(await refreshing).toEqual(stored);
  expect(await slow.statStored(repository.snapshot)).toEqual(stored);
  expect(failed()).toEqual([0, 0, 0, 0]);
});

test('A newer snapshot is built once more if an older one was stored before it', async () => {
  const failed = failures();
  const older = holdNextWrite();
  await readAtOnce(other, repository.snapshot);
  await older.reached;
  const commit = await push(repository.bare);
  const newer = holdNextWrite();
  const refreshing = slow.refresh(repository.id);
  await newer.reached;
  older.release();
  expect((await other.statStored(repository.snapshot))?.commit).not.toBe(commit);
  const builds = counter(slow, 'build done', repository.id);
  newer.release();
  const stored = await refreshing;
  expect(stored.commit).toBe(commit);
  expect(await other.statStored(repository.snapshot)).toEqual(stored);
  expect(builds()).toBe(1);
  expect(failed()).toEqual([0, 0, 0, 0]);
});

test('A snapshot that was deleted with its branch is stored again when the branch is back', async () => {
  const id = { ...repository.snapshot, ref: 'topic' };
  await git(repository.bare, 'branch', 'topic', 'main');
  await read(slow, id);
  await git(repository.bare, 'branch', '-D', 'topic');
  await slow.refresh(repository.id);
  const commit = await push(repository.bare, { branch: 'topic', parents: ['refs/heads/main'] });
  const isRebuilt = rebuilt(slow, id);
  expect((await read(slow, id)).source).toBe('store');
  await isRebuilt;
  expect((await slow.statStored(id))?.commit).toBe(commit);
});

test('A bundle that has expired is replaced', async () => {
  await read(slow, repository.snapshot);
  const base = await git(repository.bare, 'rev-parse', 'main~1');
  const id = { kind: 'bundle', repository: repository.id, base } as const;
  expect((await read(slow, id)).source).toBe('build');
  expect((await read(slow, id)).source).toBe('store');
  fakeDate(repository.defer, 3 * 60 * 60_000);
  expect((await read(slow, id)).source).toBe('build');
  expect((await read(slow, id)).source).toBe('store');
});

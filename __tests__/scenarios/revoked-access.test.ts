/**
 * @one-node-version
 */

import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { install } from '@sinonjs/fake-timers';
import { artifactKey, checkKey, refusalKey, repositoryPrefix } from '../../lib/artifact/key.js';
import {
  MemoryStore,
  type SnapshotOptions,
  type SnapshotService,
  TieredStore,
} from '../../lib/index.js';
import type { LockRegistry } from '../../lib/locks/index.js';
import type { SnapshotStore } from '../../lib/stores/store.js';
import { FaultyTier } from '../stores/tiered/faulty-tier.js';
import { fakeDate, setDate } from '../support/fake-date.js';
import type { Fault } from '../support/faults.js';
import { counter, next, read } from '../support/fresh-repository.js';
import type { HostApp, HostAppOptions } from '../support/host-app.js';
import { ownRepository } from '../support/own-repository.js';
import { buildSmall } from '../support/small-repositories.js';
import { WatchedLocks } from '../support/watched-locks.js';

/*
 * Repositories that became private or were deleted: the upstream refuses them for longer than `forgetAfter`.
 */

const repository = ownRepository(buildSmall);
const { defer } = repository;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** Stops timers and clocks until the test is over. */
function stopTimers() {
  const clock = install({
    now: Date.now(),
    toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'],
  });
  defer(() => clock.uninstall());
  return clock;
}

const DAY = 24 * 60 * 60_000;
const STALE_FOR = [DAY, 0] as const;

interface Scene {
  readonly app: HostApp;
  readonly service: SnapshotService;
  readonly store: SnapshotStore;
  readonly dataDir: string;
  hasMirror(): boolean;
}

interface Earlier {
  readonly store?: SnapshotStore;
  readonly dataDir?: string;
  readonly locks?: LockRegistry;
}

/** Starts a service of the test's own. */
function start(freshness: SnapshotOptions['freshness'] = {}, earlier: Earlier = {}) {
  return startBy(repository.startApp, freshness, earlier);
}

async function startBy(
  startApp: (options: Partial<HostAppOptions>) => Promise<HostApp>,
  freshness: SnapshotOptions['freshness'],
  { store = new MemoryStore({ maxBytes: 1e8 }), dataDir, locks }: Earlier,
): Promise<Scene> {
  const app = await startApp({
    store,
    ...(dataDir !== undefined && { dataDir }),
    ...(locks !== undefined && { locks }),
    freshness: { maxAge: 0, checkInterval: 0, ...freshness, negativeCacheTtl: 0 },
  });
  const hasMirror = () => existsSync(repository.mirrorIn(app.dataDir));
  return { app, service: app.router.service, store, dataDir: app.dataDir, hasMirror };
}

const sharedScenes = new Map<string, Promise<Scene>>();

/** A service that tests share, and that goes on after them. The second one shares the first one's store. */
function shared(
  staleWhileRevalidate: number = DAY,
  which: 'first' | 'second' = 'first',
): Promise<Scene> {
  const key = `${staleWhileRevalidate} ${which}`;
  const begin = async () => {
    const earlier = which === 'first' ? {} : { store: (await shared(staleWhileRevalidate)).store };
    return await startBy(repository.startSharedApp, { staleWhileRevalidate }, earlier);
  };
  const scene = sharedScenes.get(key) ?? begin();
  sharedScenes.set(key, scene);
  return scene;
}

/** Keys of what is stored of the test's repository. */
async function storedIn(store: SnapshotStore): Promise<string[]> {
  const keys: string[] = [];
  const prefix = repositoryPrefix(repository.id);
  for await (const { key } of store.list({ prefix })) {
    if (!/\/(check|refusal)$/.test(key)) keys.push(key);
  }
  return keys.sort();
}

let heal: () => void = () => {};

/** From now on, until something else is said. */
function answer(fault: Fault | 'well'): void {
  heal();
  heal = fault === 'well' ? () => {} : repository.upstream.fault(repository.path, fault);
}

afterEach(() => {
  heal = () => {};
});

const status = (code: 401 | 403 | 404 | 503): Fault => ({ kind: 'status', status: code });

/** Has the upstream asked, and expects that it fails. */
async function expectFailure(service: SnapshotService): Promise<void> {
  await expect(service.refresh(repository.id)).rejects.toMatchObject({
    code: expect.stringMatching(/^UPSTREAM_/),
  });
}

const expectServed = async (service: SnapshotService) =>
  expect(await read(service, repository.snapshot)).toMatchObject({ source: 'store' });

describe.each(STALE_FOR)('With staleWhileRevalidate %d, a repository', (stale) => {
  test.each([
    [401, 'UPSTREAM_NOT_FOUND'],
    [403, 'UPSTREAM_DENIED'],
    [404, 'UPSTREAM_NOT_FOUND'],
  ] as const)('that is answered %i for an hour is not served and deleted', async (code, text) => {
    const { service, store, hasMirror } = await shared(stale);
    for (const id of [repository.snapshot, { ...repository.snapshot, depth: 1 }])
      await read(service, id);
    answer(status(code));
    await expectFailure(service);
    await expectServed(service);
    fakeDate(defer, HOUR - MINUTE);
    await expectServed(service);
    fakeDate(defer, MINUTE);
    const forgotten = next(service, 'repositoryForgotten', repository.id);
    const refused = { code: text };
    await expect(read(service, repository.snapshot)).rejects.toMatchObject(refused);
    await expect(
      service.statStored(repository.snapshot, { revalidate: true }),
    ).rejects.toMatchObject(refused);
    expect(await service.statStored(repository.snapshot)).toBeUndefined();
    expect(await service.openStored({ ...repository.snapshot, depth: 1 })).toBeUndefined();
    expect((await forgotten).error).toBeUndefined();
    expect([await storedIn(store), hasMirror()]).toEqual([[], false]);
    await expect(read(service, repository.snapshot)).rejects.toMatchObject(refused);
    expect(hasMirror()).toBe(false);
  });

  test.each<[string, Fault]>([
    ['answers 503', status(503)],
    ['hangs up', { kind: 'die', after: 10, on: 'info-refs' }],
    ['is no git', { kind: 'not-git' }],
  ])('whose upstream %s for a week is still served', async (_, fault) => {
    const { service, hasMirror } = await shared(stale);
    await read(service, repository.snapshot);
    answer(fault);
    for (let day = 0; day < 7; day++) {
      await expectFailure(service);
      fakeDate(defer, 24 * HOUR);
      await expectServed(service);
    }
    expect(hasMirror()).toBe(true);
  });

  test.each<[string, Fault | 'well']>([
    ['an outage', status(503)],
    ['success', 'well'],
  ])(
    'whose refusals are interrupted by %s is served until they last an hour',
    async (_, between) => {
      const { service } = await shared(stale);
      await read(service, repository.snapshot);
      for (let i = 0; i < 3; i++) {
        answer(status(404));
        await expectFailure(service);
        fakeDate(defer, 50 * MINUTE);
        await expectFailure(service);
        answer(between);
        await service.refresh(repository.id).catch(() => {});
        fakeDate(defer, 20 * MINUTE);
        await expectServed(service);
      }
      answer(status(404));
      await expectFailure(service);
      fakeDate(defer, HOUR);
      await expect(read(service, repository.snapshot)).rejects.toMatchObject({
        code: 'UPSTREAM_NOT_FOUND',
      });
    },
  );

  test('that is back is served again, even after a single later refusal', async () => {
    const { service, store } = await shared(stale);
    await read(service, repository.snapshot);
    answer(status(404));
    await expectFailure(service);
    fakeDate(defer, HOUR);
    const forgotten = next(service, 'repositoryForgotten', repository.id);
    await expectFailure(service);
    await forgotten;
    // What is down now was refused before.
    answer(status(503));
    await expect(read(service, repository.snapshot)).rejects.toMatchObject({
      code: expect.stringMatching(/^UPSTREAM_/),
    });
    answer('well');
    expect((await read(service, repository.snapshot)).source).toBe('build');
    fakeDate(defer, 24 * HOUR);
    answer(status(404));
    await expectFailure(service);
    await expectServed(service);
    const other = await start({ staleWhileRevalidate: stale }, { store });
    await expectServed(other.service);
  });
});

test('The upstream is checked again when the time is over, without a request', async () => {
  const { service, store, hasMirror } = await start({ maxAge: 24 * HOUR });
  await read(service, repository.snapshot);
  const clock = stopTimers();
  answer(status(404));
  await expectFailure(service);
  const forgotten = next(service, 'repositoryForgotten', repository.id);
  clock.tick(HOUR);
  await forgotten;
  expect([await storedIn(store), hasMirror()]).toEqual([[], false]);
});

test.each([-2 * HOUR, 2 * HOUR])('A clock that is set by %i ms has no effect', async (by) => {
  const { service } = await shared();
  await read(service, repository.snapshot);
  answer(status(404));
  await expectFailure(service);
  setDate(defer, by);
  await expectFailure(service);
  await expectServed(service);
});

test('Its refs and commits are not reported either', async () => {
  const { service } = await start({ maxAge: 24 * HOUR });
  const { commit = '' } = await read(service, repository.snapshot);
  const wanted = { refs: new Map([['refs/heads/main', '']]), commits: [] };
  answer(status(403));
  await expectFailure(service);
  expect((await service.ensureRefs(repository.id, wanted)).refs.size).toBe(1);
  fakeDate(defer, HOUR);
  const denied = { code: 'UPSTREAM_DENIED' };
  await expect(service.ensureRefs(repository.id, wanted)).rejects.toMatchObject(denied);
  const bundle = { kind: 'bundle', repository: repository.id, base: commit } as const;
  await expect(service.isHead(bundle)).rejects.toMatchObject(denied);
});

test.each([
  ['with', false],
  ['without', true],
])('The time goes on while a service restarts, %s its mirror', async (_, isLost) => {
  const first = await start({ staleWhileRevalidate: 0 });
  await read(first.service, repository.snapshot);
  answer(status(404));
  await expectFailure(first.service);
  fakeDate(defer, 30 * MINUTE);
  await expectFailure(first.service);
  await first.service.close({ drain: true });
  if (isLost) await rm(repository.mirrorIn(first.dataDir), { recursive: true });
  fakeDate(defer, 30 * MINUTE);
  const { service } = await start({ staleWhileRevalidate: 0 }, first);
  await service.ready();
  await expect(read(service, repository.snapshot)).rejects.toMatchObject({
    code: 'UPSTREAM_NOT_FOUND',
  });
});

test('A refusal that is older than forgetAfter, without another one since, does not count', async () => {
  const first = await start();
  await read(first.service, repository.snapshot);
  answer(status(404));
  await expectFailure(first.service);
  await first.service.close({ drain: true });
  fakeDate(defer, 24 * HOUR);
  const { service } = await start({}, first);
  await expectFailure(service);
  await expectServed(service);
});

test('It is deleted everywhere, even if each of several services saw only some of the refusals', async () => {
  const [one, two] = [await shared(), await shared(DAY, 'second')];
  const { store } = one;
  await read(one.service, repository.snapshot);
  await read(two.service, { ...repository.snapshot, depth: 1 });
  answer(status(404));
  await expectFailure(one.service);
  fakeDate(defer, 30 * MINUTE);
  await expectFailure(two.service);
  fakeDate(defer, 30 * MINUTE);
  const forgotten = next(two.service, 'repositoryForgotten', repository.id);
  await expectFailure(two.service);
  await forgotten;
  expect([await storedIn(store), two.hasMirror()]).toEqual([[], false]);
  // The other one has a mirror still, and makes nothing of it, even days later.
  fakeDate(defer, 72 * HOUR);
  const later = next(one.service, 'repositoryForgotten', repository.id);
  await expect(read(one.service, repository.snapshot)).rejects.toMatchObject({
    code: 'UPSTREAM_NOT_FOUND',
  });
  await later;
  expect([await storedIn(store), one.hasMirror()]).toEqual([[], false]);
});

test('Artifacts that cannot be deleted are still not served, and deleted later', async () => {
  const { service, store } = await start();
  await read(service, repository.snapshot);
  const failing = jest.spyOn(store, 'delete').mockRejectedValue(new Error('the store is down'));
  defer(() => failing.mockRestore());
  answer(status(404));
  await expectFailure(service);
  fakeDate(defer, HOUR);
  const failed = next(service, 'repositoryForgotten', repository.id);
  await expectFailure(service);
  expect((await failed).error).toMatchObject({ message: 'the store is down' });
  answer(status(503));
  await expect(read(service, repository.snapshot)).rejects.toMatchObject({
    code: 'UPSTREAM_NOT_FOUND',
  });
  failing.mockRestore();
  answer(status(404));
  const forgotten = next(service, 'repositoryForgotten', repository.id);
  await expectFailure(service);
  expect((await forgotten).error).toBeUndefined();
  expect(await storedIn(store)).toEqual([]);
  const again = counter(service, 'repositoryForgotten');
  await expectFailure(service);
  await service.close({ drain: true });
  expect(again()).toBe(0);
});

describe('While the store does not delete', () => {
  /** A store fails from now on to delete this key. Default: any. @returns what ends that. */
  function refuseToDelete(store: SnapshotStore, refused?: string): () => void {
    const remove = store.delete.bind(store);
    const failing = jest.spyOn(store, 'delete').mockImplementation(async (key) => {
      if (key === (refused ?? key)) throw new Error('the store is down');
      await remove(key);
    });
    defer(() => failing.mockRestore());
    return () => failing.mockRestore();
  }

  /** Lets a repository be refused for an hour. @returns the event of its first removal. */
  async function refuseForAnHour(service: SnapshotService) {
    answer(status(404));
    await expectFailure(service);
    fakeDate(defer, HOUR);
    const forgotten = next(service, 'repositoryForgotten', repository.id);
    await expectFailure(service);
    return await forgotten;
  }

  test('the mirror of a repository is still deleted', async () => {
    const { service, store, hasMirror } = await start();
    await read(service, repository.snapshot);
    refuseToDelete(store);
    expect((await refuseForAnHour(service)).error).toMatchObject({ message: 'the store is down' });
    expect(hasMirror()).toBe(false);
  });

  test('one of its snapshots, the others are still deleted', async () => {
    const { service, store } = await start();
    for (const id of [repository.snapshot, { ...repository.snapshot, depth: 1 }])
      await read(service, id);
    refuseToDelete(store, artifactKey(repository.snapshot));
    expect((await refuseForAnHour(service)).error).toBeDefined();
    expect(await storedIn(store)).toEqual([artifactKey(repository.snapshot)]);
  });

  test.each<[string, (shared: FaultyTier) => void]>([
    [
      'fails',
      (shared) => {
        shared.state = 'failing';
      },
    ],
    [
      'only fails to list',
      (shared) => {
        shared.onList = () => Promise.reject(new Error('lists are denied'));
      },
    ],
  ])(
    'because the shared tier %s, the artifacts of that tier are deleted later',
    async (_, fail) => {
      // There is no room for copies.
      const local = new MemoryStore({ maxBytes: 0 });
      const shared = new FaultyTier(1e8);
      const { service } = await start(
        {},
        { store: new TieredStore({ local, shared, onDegraded: () => {} }) },
      );
      for (const id of [repository.snapshot, { ...repository.snapshot, depth: 1 }])
        await read(service, id);
      fail(shared);
      expect((await refuseForAnHour(service)).error).toMatchObject({ code: 'STORE_FAILED' });
      shared.state = 'up';
      shared.onList = async () => {};
      fakeDate(defer, MINUTE); // the shared tier is asked again
      const forgotten = next(service, 'repositoryForgotten', repository.id);
      await expectFailure(service);
      expect((await forgotten).error).toBeUndefined();
      expect(await storedIn(shared.inner)).toEqual([]);
    },
  );

  /** A repository that its upstream has refused for an hour, and that could not be deleted. */
  async function failToDelete() {
    const { service, store } = await start({ maxAge: 24 * HOUR });
    await read(service, repository.snapshot);
    const clock = stopTimers();
    const heal = refuseToDelete(store);
    answer(status(404));
    await expectFailure(service);
    const failed = next(service, 'repositoryForgotten', repository.id);
    clock.tick(HOUR);
    expect((await failed).error).toBeDefined();
    return { service, store, clock, heal };
  }

  test('a repository, the service tries again after a minute, without a check of the upstream', async () => {
    const { service, store, clock, heal } = await failToDelete();
    const asked = repository.upstream.infoRefs(repository.path);
    const failedAgain = next(service, 'repositoryForgotten', repository.id);
    clock.tick(MINUTE);
    expect((await failedAgain).error).toBeDefined();
    heal();
    const early = counter(service, 'repositoryForgotten');
    clock.tick(2 * MINUTE - 1);
    expect(early()).toBe(0);
    const forgotten = next(service, 'repositoryForgotten', repository.id);
    clock.tick(1);
    expect((await forgotten).error).toBeUndefined();
    expect(await storedIn(store)).toEqual([]);
    expect(repository.upstream.infoRefs(repository.path)).toBe(asked);
  });

  test('a repository that is allowed again, its newer artifacts stay', async () => {
    const { service, store, clock, heal } = await failToDelete();
    heal();
    answer('well');
    await service.refresh(repository.id);
    const again = counter(service, 'repositoryForgotten');
    clock.tick(MINUTE);
    await service.close({ drain: true });
    expect(again()).toBe(0);
    expect(await storedIn(store)).toEqual([artifactKey(repository.snapshot)]);
  });
});

describe('The time of refusals', () => {
  /** Moves the clock, and has the upstream asked, which refuses. */
  async function refuseAfter(minutes: number, { service }: Scene): Promise<void> {
    fakeDate(defer, minutes * MINUTE);
    answer(status(404));
    await expectFailure(service);
  }

  test('starts again for all services when a check of one of them succeeds', async () => {
    const scenes = [await shared(), await shared(DAY, 'second')] as const;
    const [one, two] = scenes;
    const { store } = one;
    for (const { service } of scenes) {
      await read(service, repository.snapshot);
      await service.refresh(repository.id);
    }
    const three = await start({}, { store });
    await read(three.service, { ...repository.snapshot, depth: 1 });
    await refuseAfter(1, one);
    answer('well');
    await two.service.refresh(repository.id);
    await refuseAfter(50, three);
    await refuseAfter(20, three);
    await expectServed(three.service);
    expect(three.hasMirror()).toBe(true);
  });

  test('goes on when a service learns of an older successful check of another one', async () => {
    const shared = { store: new MemoryStore({ maxBytes: 1e8 }), locks: new WatchedLocks() };
    const policy = { maxAge: 20 * MINUTE, checkInterval: MINUTE };
    const [one, two] = [await start(policy, shared), await start(policy, shared)];
    await read(one.service, repository.snapshot);
    await read(two.service, { ...repository.snapshot, depth: 1 });
    const key = checkKey(repository.id);
    fakeDate(defer, 5 * MINUTE);
    const answered = shared.locks.next('released', key);
    await one.service.notifyPush(repository.url);
    await answered;
    await refuseAfter(10, two);
    fakeDate(defer, 5 * MINUTE);
    const asked = repository.upstream.infoRefs(repository.path);
    const learnt = shared.locks.next('released', key);
    await expectServed(two.service);
    await learnt;
    await two.service.refresh(repository.id).catch(() => {});
    expect(repository.upstream.infoRefs(repository.path)).toBe(asked + 1);
    const forgotten = next(two.service, 'repositoryForgotten', repository.id);
    await refuseAfter(55, two);
    expect((await forgotten).error).toBeUndefined();
  });

  test('is over for all services, whatever fails after that', async () => {
    const [one, two] = [await shared(), await shared(DAY, 'second')];
    await read(one.service, repository.snapshot);
    await read(two.service, { ...repository.snapshot, depth: 1 });
    await refuseAfter(0, one);
    await refuseAfter(57, one);
    const forgotten = next(one.service, 'repositoryForgotten', repository.id);
    await refuseAfter(3, one);
    await forgotten;
    answer(status(503));
    await expectFailure(two.service);
    const later = next(two.service, 'repositoryForgotten', repository.id);
    await refuseAfter(0, two);
    await later;
    expect(two.hasMirror()).toBe(false);
  });

  test('ends when the repository is purged', async () => {
    const scene = await shared();
    await read(scene.service, repository.snapshot);
    await refuseAfter(0, scene);
    await scene.service.purge(repository.id);
    expect(await scene.store.stat(refusalKey(repository.id))).toBeUndefined();
  });

  test('ends when the repository is cloned again', async () => {
    const first = await start();
    const { store } = first;
    await read(first.service, repository.snapshot);
    await refuseAfter(0, first);
    const forgotten = next(first.service, 'repositoryForgotten', repository.id);
    await refuseAfter(60, first);
    await forgotten;
    await first.service.close({ drain: true });
    answer('well');
    const second = await start({}, { store });
    await read(second.service, repository.snapshot);
    await second.service.close({ drain: true });
    const third = await start({}, second);
    await third.service.ready();
    await refuseAfter(1, third);
    await expectServed(third.service);
    expect(third.hasMirror()).toBe(true);
  });
});

test.each(STALE_FOR)(
  'With staleWhileRevalidate %d, a HEAD request for it causes no check, with any conditions',
  async (stale) => {
    const { app, service } = await shared(stale);
    const { etag } = await read(service, repository.snapshot);
    answer(status(404));
    await expectFailure(service);
    fakeDate(defer, HOUR);
    const asked = repository.upstream.infoRefs(repository.path);
    for (const headers of [{}, { 'If-Match': etag }, { 'If-Match': '"another"' }]) {
      const url = app.snapshotUrl(repository.path);
      expect((await fetch(url, { method: 'HEAD', headers })).status).toBe(404);
    }
    expect(repository.upstream.infoRefs(repository.path)).toBe(asked);
    const get = await fetch(app.snapshotUrl(repository.path), { headers: { 'If-Match': etag } });
    expect(get.status).toBe(503);
    expect(JSON.parse(await get.text()).code).toBe('UPSTREAM_NOT_FOUND');
  },
);

/**
 * @one-node-version
 */

import { rmSync } from 'node:fs';
import { MemoryStore, type SnapshotService } from '../../lib/index.js';
import { startedThreads } from '../pack/started-threads.js';
import { fakeDate, setDate } from '../support/fake-date.js';
import { counter, next, read, rebuilt } from '../support/fresh-repository.js';
import { HeldLocks } from '../support/held-locks.js';
import { ownRepository } from '../support/own-repository.js';
import { listenOnce } from '../support/service-events.js';
import { buildSmall, push } from '../support/small-repositories.js';

const STRICT = { staleWhileRevalidate: 0, maxAge: 0, checkInterval: 0 } as const;
const NEVER = 0x7fff_ffff;
const HOUR = 60 * 60_000;

const repository = ownRepository(buildSmall);
const { directory, defer } = repository;
const asked = () => repository.upstream.infoRefs(repository.path);

let strict: SnapshotService;

beforeAll(async () => {
  // A store in memory answers without delay, so that concurrent requests wait for the upstream together.
  const store = new MemoryStore({ maxBytes: 1e9 });
  strict = (await repository.startSharedApp({ store, freshness: STRICT })).router.service;
});

/** A service that has a snapshot of the test's repository. */
async function primed(service: SnapshotService): Promise<SnapshotService> {
  await read(service, repository.snapshot);
  repository.upstream.requests.length = 0;
  return service;
}

describe('Checks that requests wait for', () => {
  const gateRefs = () => repository.upstream.gateRefs(repository.path);
  const gatePack = () => repository.upstream.gate(repository.path);
  const readIt = (service: SnapshotService) => read(service, repository.snapshot);
  const announce = (service: SnapshotService) => service.notifyPush(repository.url);

  test('are shared', async () => {
    const service = await primed(strict);
    const commit = await push(repository.bare);
    const all = await Promise.all(
      Array.from({ length: 50 }, () => read(service, repository.snapshot)),
    );
    expect(new Set(all.map((each) => each.commit))).toEqual(new Set([commit]));
    expect(asked()).toBeLessThanOrEqual(2);
    expect(repository.upstream.uploadPacks(repository.path)).toBe(1);
  });

  test.each([
    ['the check of an earlier request', primed, gateRefs, readIt],
    ['a check in the background', primed, gateRefs, announce],
    ['the first clone', async () => {}, gatePack, readIt],
  ])('notice a push that comes during %s', async (_what, prepare, hold, begin) => {
    await prepare(strict);
    const gate = hold();
    const early = begin(strict);
    await gate.reached;
    const commit = await push(repository.bare);
    const late = [1, 2, 3].map(() => read(strict, repository.snapshot));
    gate.release();
    await early;
    for (const each of await Promise.all(late)) expect(each.commit).toBe(commit);
    // Requests that come while a check runs share the next one. On a slow machine they come one by one.
    expect(asked()).toBeLessThanOrEqual(1 + late.length);
  });
});

describe('A conditional request, to which no stale answer may be given,', () => {
  const start = async () => {
    const { router, snapshotUrl } = await repository.startApp({ freshness: STRICT });
    await primed(router.service);
    const etag = (await router.service.statStored(repository.snapshot))?.etag ?? '';
    return async () => {
      const headers = { 'if-none-match': etag };
      const response = await fetch(snapshotUrl(repository.path), { headers });
      await response.arrayBuffer();
      return response;
    };
  };

  test('causes one check, also if a snapshot has to be built', async () => {
    const get = await start();
    expect([(await get()).status, asked()]).toEqual([304, 1]);
    const commit = await push(repository.bare);
    const response = await get();
    expect(response.headers.get('x-cachew-snapshot-commit')).toBe(commit);
    expect(asked()).toBe(2);
  });
});

describe('An upstream that fails', () => {
  test('is not checked again by each request', async () => {
    const freshness = { staleWhileRevalidate: 0, maxAge: 2 * HOUR, checkInterval: HOUR } as const;
    const service = await primed(await repository.startService({ freshness }));
    repository.upstream.fault(repository.path, { kind: 'status', status: 500 });
    fakeDate(defer, freshness.maxAge);
    for (let i = 0; i < 5; i++)
      expect((await read(service, repository.snapshot)).source).toBe('store');
    expect(asked()).toBe(1);
    repository.upstream.heal(repository.path);
    const commit = await push(repository.bare);
    fakeDate(defer, freshness.checkInterval);
    expect((await read(service, repository.snapshot)).commit).toBe(commit);
  });

  test.each([
    ['answers 500', { kind: 'status', status: 500 }, 'UPSTREAM_UNREACHABLE', {}],
    ['does not answer', { kind: 'hang-info-refs' }, 'UPSTREAM_TIMEOUT', { refsTimeout: 100 }],
  ] as const)('and %s takes no thread for each check', async (_what, fault, code, timeouts) => {
    const dataDir = await directory();
    const first = await primed(await repository.startService({ dataDir }));
    await first.close({ drain: true });
    repository.upstream.fault(repository.path, fault);
    const service = await repository.startService({ dataDir, timeouts });
    const fail = () => expect(service.refresh(repository.id)).rejects.toMatchObject({ code });
    await fail();
    const started = await startedThreads(async () => {
      for (let i = 0; i < 3; i++) await fail();
    });
    expect(started).toBe(0);
  });
});

describe('Checks in the background', () => {
  test('are made once per checkInterval', async () => {
    const freshness = { maxAge: 0, checkInterval: NEVER };
    const service = await primed(await repository.startService({ freshness }));
    await push(repository.bare);
    for (let i = 0; i < 20; i++) await read(service, repository.snapshot);
    await service.close({ drain: true });
    expect(asked()).toBe(0);
  });

  test.each([
    ['', 'fetch done', () => {}],
    [
      ', also while the upstream is down',
      'fetch failed',
      () => repository.upstream.fault(repository.path, { kind: 'status', status: 500 }),
    ],
  ] as const)(
    'are made again after checkInterval, once for all requests%s',
    async (_when, event, befall) => {
      const freshness = { maxAge: 0, checkInterval: HOUR };
      const service = await primed(await repository.startService({ freshness }));
      const { etag } = await read(service, repository.snapshot);
      befall();
      fakeDate(defer, HOUR + 1);
      const checked = next(service, event);
      await Promise.all(Array.from({ length: 20 }, () => read(service, repository.snapshot)));
      await checked;
      for (let i = 0; i < 5; i++)
        expect((await read(service, repository.snapshot)).etag).toBe(etag);
      await service.close({ drain: true });
      expect(asked()).toBe(1);
    },
  );
});

describe('A new commit that a check has found', () => {
  test.each([
    ['without another check', HOUR, false],
    ['even if the upstream is down by then', 0, true],
  ])('is built at the next request if the first build failed, %s', async (_how, age, isDown) => {
    const store = new MemoryStore({ maxBytes: 1e7 });
    const service = await repository.startService({
      store,
      freshness: { maxAge: age, checkInterval: age, negativeCacheTtl: 0 },
    });
    await primed(service);
    const commit = await push(repository.bare);
    const put = jest.spyOn(store, 'put').mockRejectedValue(new Error('no space'));
    const failed = next(service, 'store failed');
    await expect(service.refresh(repository.id)).rejects.toMatchObject({ code: 'STORE_FAILED' });
    await failed;
    put.mockRestore();
    if (isDown) repository.upstream.fault(repository.path, { kind: 'status', status: 503 });
    const isRebuilt = rebuilt(service, repository.snapshot);
    await read(service, repository.snapshot);
    await isRebuilt;
    expect((await read(service, repository.snapshot)).commit).toBe(commit);
    if (!isDown) expect(asked()).toBe(1);
  });
});

describe('Services that share a store, but no mirror,', () => {
  const freshness = { maxAge: NEVER };

  test('do not replace a newer snapshot of another service by an older one', async () => {
    const store = new MemoryStore({ maxBytes: 1e7 });
    const a = await repository.startService({ store, freshness });
    await read(a, repository.snapshot);
    await push(repository.bare);
    await a.refresh(repository.id);
    const latest = await push(repository.bare);
    const b = await repository.startService({ store, freshness });
    await b.refresh(repository.id);
    const builds = counter(a, 'build done');
    const questions = counter(a, 'fetch done');
    expect((await read(a, repository.snapshot)).commit).toBe(latest);
    await a.close({ drain: true });
    expect([builds(), questions()]).toEqual([0, 0]);
    expect((await b.statStored(repository.snapshot))?.commit).toBe(latest);
  });

  test('build from a new clone if a check failed and the mirror was evicted then', async () => {
    const store = new MemoryStore({ maxBytes: 1e7 });
    const locks = new HeldLocks();
    const dataDir = await directory();
    const a = await repository.startService({ store, locks, dataDir, freshness: STRICT });
    const b = await repository.startService({ store, freshness: STRICT });
    await read(a, repository.snapshot);
    await a.delete(repository.snapshot);
    // The other service knows newer refs than this one, which therefore needs a check or a clone.
    setDate(defer, HOUR);
    const commit = await push(repository.bare);
    locks.hold();
    const reading = read(a, repository.snapshot);
    await next(a, 'miss');
    await read(b, repository.snapshot);
    const heal = repository.upstream.fault(repository.path, { kind: 'status', status: 500 });
    listenOnce(a, 'fetch failed', () => {
      rmSync(repository.mirrorIn(dataDir), { recursive: true });
      heal();
    });
    const clones = counter(a, 'clone done');
    locks.release();
    expect(await reading).toMatchObject({ commit });
    expect(clones()).toBe(1);
  });
});

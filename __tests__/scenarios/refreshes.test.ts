/**
 * @one-node-version
 */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { install } from '@sinonjs/fake-timers';
import { defaultSnapshot } from '../../lib/artifact/id.js';
import { MemoryStore, SnapshotError } from '../../lib/index.js';
import { fakeDate } from '../support/fake-date.js';
import { counter, next, read, rebuilt, untilStored } from '../support/fresh-repository.js';
import { GatedStore } from '../support/gated-store.js';
import { ownRepository } from '../support/own-repository.js';
import { git } from '../support/run.js';
import { buildSmall, push } from '../support/small-repositories.js';

const NEVER = 0x7fff_ffff;
const PLAIN = { maxAge: NEVER, checkInterval: 0 } as const;

const repository = ownRepository(buildSmall);
const { directory, defer } = repository;
const plainly = () => repository.sharedService({ freshness: PLAIN });
const asked = () => repository.upstream.infoRefs(repository.path);
const url = () => repository.url;

describe('refreshInterval', () => {
  const freshness = { ...PLAIN, refreshInterval: 20 } as const;

  test('refreshes a repository that clients requested', async () => {
    const service = await repository.startService({ freshness });
    await read(service, repository.snapshot);
    const isRebuilt = rebuilt(service, repository.snapshot);
    const commit = await push(repository.bare);
    await isRebuilt;
    const warm = await read(service, repository.snapshot);
    expect(warm).toMatchObject({ source: 'store', commit });
    for (let i = 0; i < 3; i++) await next(service, 'fetch done');
  });

  test('refreshes a repository after a restart', async () => {
    const dataDir = await directory();
    const first = await repository.startService({ freshness: PLAIN, dataDir });
    await read(first, repository.snapshot);
    await first.close({ drain: true });
    const commit = await push(repository.bare);
    const service = await repository.startService({ freshness, dataDir });
    await rebuilt(service, repository.snapshot);
    expect((await read(service, repository.snapshot)).commit).toBe(commit);
  });

  test('goes on after a failure', async () => {
    const service = await repository.startService({ freshness });
    await read(service, repository.snapshot);
    repository.upstream.fault(repository.path, { kind: 'status', status: 500 });
    await next(service, 'fetch failed');
    await next(service, 'fetch failed');
    repository.upstream.heal(repository.path);
    await next(service, 'fetch done');
  });

  test('no longer refreshes a repository that no client has requested for stopRefreshingAfter', async () => {
    const stopRefreshingAfter = 60 * 60_000;
    const service = await repository.startService({
      freshness: { ...freshness, stopRefreshingAfter },
    });
    const forgotten = { ...repository.id, path: `${repository.path}-forgotten` };
    await buildSmall(join(repository.root, `${forgotten.path}.git`));
    await read(service, defaultSnapshot(forgotten));
    await next(service, 'fetch done', forgotten);
    fakeDate(defer, stopRefreshingAfter + 1);
    const refreshes = counter(service, 'fetch done', forgotten);
    await read(service, repository.snapshot);
    for (let i = 0; i < 5; i++) await next(service, 'fetch done', repository.id);
    // One of them may have run already.
    expect(refreshes()).toBeLessThanOrEqual(1);
  });

  test('ends when the service is closed', async () => {
    const service = await repository.startService({ freshness });
    await read(service, repository.snapshot);
    await next(service, 'fetch done');
    await service.close();
    const before = asked();
    const other = await plainly();
    await other.refresh(repository.id);
    await other.refresh(repository.id);
    expect(asked()).toBe(before + 2);
  });
});

test.each([
  ['the default snapshot', {}],
  ['a commit with a depth', { depth: 1 }],
])('After its options have changed, %s is built again', async (_what, selection) => {
  const isFixed = 'depth' in selection;
  const id = {
    ...repository.snapshot,
    ...selection,
    ...(isFixed && { ref: await repository.head() }),
  };
  const dataDir = await directory();
  const first = await repository.startService({ freshness: PLAIN, dataDir });
  const old = await read(first, id);
  await first.close({ drain: true });
  const snapshot = { trustFileTimes: false };
  const service = await repository.startService({ freshness: PLAIN, dataDir, snapshot });
  const isRebuilt = rebuilt(service, id);
  expect(await read(service, id)).toEqual({ ...old, source: 'store' });
  await isRebuilt;
  const builds = counter(service, 'build started');
  for (let i = 0; i < 3; i++) {
    const { source, commit, etag } = await read(service, id);
    expect({ source, commit }).toEqual({ source: 'store', commit: old.commit });
    expect(etag).not.toBe(old.etag);
  }
  await service.close({ drain: true });
  expect(builds()).toBe(0);
});

test('A branch that was deleted is reported as missing, even if the store fails to delete its snapshot', async () => {
  const store = new MemoryStore({ maxBytes: 1e9 });
  const freshness = { staleWhileRevalidate: 0, maxAge: 0, checkInterval: 0 } as const;
  const service = await repository.startService({ store, freshness });
  const id = { ...repository.snapshot, ref: 'topic' };
  await push(repository.bare, { branch: 'topic' });
  await read(service, id);
  await git(repository.bare, 'branch', '-D', 'topic');
  store.delete = async () => {
    throw new SnapshotError('STORE_FAILED', 'the store is down');
  };
  const failed = next(service, 'evictionFailed');
  await expect(read(service, id)).rejects.toMatchObject({ code: 'REF_NOT_FOUND' });
  expect(await failed).toMatchObject({ error: { message: 'the store is down' } });
});

test('The snapshot of a deleted branch is built again when the branch is back', async () => {
  const service = await repository.startService({ freshness: { maxAge: 0, checkInterval: 0 } });
  const id = { ...repository.snapshot, ref: 'topic' };
  await push(repository.bare, { branch: 'topic' });
  await read(service, id);
  await git(repository.bare, 'branch', '-D', 'topic');
  const gone = next(service, 'evicted');
  await read(service, id);
  expect((await gone).reason).toBe('gone');
  await expect(read(service, id)).rejects.toMatchObject({ code: 'REF_NOT_FOUND' });

  await push(repository.bare, { branch: 'topic', message: 'back' });
  await read(service, id);
  const commit = await push(repository.bare, { branch: 'topic', message: 'moved' });
  const isRebuilt = rebuilt(service, id);
  await read(service, id);
  await isRebuilt;
  expect((await read(service, id)).commit).toBe(commit);
});

test('Refreshes delay no request for any repository', async () => {
  const names = ['a', 'b', 'c', 'd'].map((name) => `org/${name}`);
  for (const name of names) await buildSmall(join(repository.root, `${name}.git`));
  const service = await repository.startService({
    freshness: { maxAge: 0, checkInterval: 0 },
    concurrency: { fetchesPerHost: 1, clonesPerHost: 1, builds: 1 },
  });
  const ids = names.map((path) => ({ ...repository.id, path }));
  for (const id of ids) await read(service, defaultSnapshot(id));
  const gates = names.map((name) => repository.upstream.gateRefs(name));
  for (const id of ids) await read(service, defaultSnapshot(id));
  await Promise.all(gates.slice(0, 2).map(({ reached }) => reached));
  // By now, all places in the background are taken.
  expect((await read(service, repository.snapshot)).source).toBe('build');
  expect((await read(service, repository.snapshot)).source).toBe('store');
  for (const id of ids) expect((await read(service, defaultSnapshot(id))).source).toBe('store');
});

describe('notifyPush', () => {
  test('refreshes a repository that is known', async () => {
    const service = await plainly();
    await read(service, repository.snapshot);
    const commit = await push(repository.bare);
    const isRebuilt = rebuilt(service, repository.snapshot);
    expect(await service.notifyPush(url())).toBe(true);
    await isRebuilt;
    expect((await read(service, repository.snapshot)).commit).toBe(commit);
  });

  test('does nothing for a repository that is not known', async () => {
    const service = await repository.startService({ freshness: PLAIN });
    await service.ready();
    const urls = [url(), 'https://elsewhere.test/org/repo', 'no url', '', `${url()}/../..`];
    for (const each of urls) expect(await service.notifyPush(each)).toBe(false);
    await service.close({ drain: true });
    expect(await service.notifyPush(url())).toBe(false);
    expect(asked()).toBe(0);
  });

  test('refreshes a stored snapshot that has no mirror', async () => {
    const options = { freshness: PLAIN, dataDir: await directory() };
    const first = await repository.startService(options);
    await read(first, repository.snapshot);
    await first.close({ drain: true });
    await rm(join(options.dataDir, 'mirrors'), { recursive: true });
    const commit = await push(repository.bare);
    const service = await repository.startService(options);
    const isRebuilt = rebuilt(service, repository.snapshot);
    expect(await service.notifyPush(url())).toBe(true);
    await isRebuilt;
    expect((await read(service, repository.snapshot)).commit).toBe(commit);
  });

  test('checks once for many calls, and not before checkInterval is over', async () => {
    const checkInterval = 60 * 60_000;
    const clock = install({
      now: Date.now(),
      toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'],
    });
    defer(() => clock.uninstall());
    const service = await repository.startService({ freshness: { maxAge: NEVER, checkInterval } });
    const other = { ...repository.id, path: `${repository.path}-other` };
    await buildSmall(join(repository.root, `${other.path}.git`));
    for (const id of [repository.id, other]) await read(service, defaultSnapshot(id));
    await service.refresh(repository.id);
    const before = asked();
    for (let i = 0; i < 100; i++) expect(await service.notifyPush(url())).toBe(true);
    await service.refresh(other);
    expect(asked()).toBe(before);
    const refreshed = next(service, 'fetch done', repository.id);
    const count = counter(service, 'fetch done', repository.id);
    clock.tick(checkInterval);
    await refreshed;
    await service.close({ drain: true });
    expect([count(), asked()]).toEqual([1, before + 1]);
  });

  test('makes another check when it is called during one', async () => {
    const service = await plainly();
    await read(service, repository.snapshot);
    const gate = repository.upstream.gateRefs(repository.path);
    await service.notifyPush(url());
    await gate.reached;
    const commit = await push(repository.bare);
    await service.notifyPush(url());
    const isRebuilt = rebuilt(service, repository.snapshot);
    gate.release();
    await isRebuilt;
    expect((await read(service, repository.snapshot)).commit).toBe(commit);
  });

  test('refreshes each snapshot that a client requested while the check was queued', async () => {
    const service = await repository.startService({ freshness: { maxAge: 0, checkInterval: 0 } });
    const cut = { ...repository.snapshot, depth: 1 };
    for (const id of [repository.snapshot, cut]) await read(service, id);
    const gate = repository.upstream.gateRefs(repository.path);
    await service.notifyPush(url());
    await gate.reached;
    const commit = await push(repository.bare);
    for (const id of [repository.snapshot, cut]) await read(service, id);
    gate.release();
    for (const id of [repository.snapshot, cut]) {
      await untilStored(service, id, (stored) => stored?.commit === commit);
    }
  });

  test('during the write of a refreshed snapshot causes another build', async () => {
    const store = new GatedStore({ maxBytes: 1e9 });
    const service = await repository.startService({ freshness: PLAIN, store });
    await read(service, repository.snapshot);
    const gate = store.gate();
    await push(repository.bare);
    await service.notifyPush(url());
    await gate.reached;
    const commit = await push(repository.bare);
    const refreshed = next(service, 'fetch done', repository.id);
    await service.notifyPush(url());
    await refreshed;
    const isRebuilt = rebuilt(service, repository.snapshot);
    gate.release();
    await isRebuilt;
    expect((await service.statStored(repository.snapshot))?.commit).toBe(commit);
  });

  test('while the first clone runs is not lost', async () => {
    const service = await plainly();
    const gate = repository.upstream.gate(repository.path, 20);
    const first = read(service, repository.snapshot);
    await gate.reached;
    const commit = await push(repository.bare);
    const refreshed = next(service, 'fetch done', repository.id);
    expect(await service.notifyPush(url())).toBe(true);
    await refreshed;
    gate.release();
    await first;
    const stored = await service.refresh(repository.id);
    expect(stored?.commit).toBe(commit);
  });
});

describe('refresh', () => {
  test('builds a snapshot that is not stored', async () => {
    const service = await plainly();
    expect((await service.refresh(repository.id))?.commit).toBe(await repository.head());
    expect(asked()).toBe(1);
  });

  test('brings a stored snapshot up to date, also within maxAge', async () => {
    const service = await plainly();
    await read(service, repository.snapshot);
    const commit = await push(repository.bare);
    const [one, two] = await Promise.all([1, 2].map(() => service.refresh(repository.id)));
    expect([one?.commit, two?.commit]).toEqual([commit, commit]);
    expect(repository.upstream.uploadPacks(repository.path)).toBe(2);
  });

  test('fails when the upstream is down, and for hosts that are not allowed', async () => {
    const service = await plainly();
    await read(service, repository.snapshot);
    repository.upstream.fault(repository.path, { kind: 'status', status: 500 });
    await expect(service.refresh(repository.id)).rejects.toMatchObject({
      code: 'UPSTREAM_UNREACHABLE',
    });
    const elsewhere = { host: 'elsewhere.test', path: 'org/repo' };
    await expect(service.refresh(elsewhere)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });
});

test('listRepositories lists mirrors and stored snapshots', async () => {
  const service = await plainly();
  const before = Date.now();
  const { commit, etag } = await read(service, repository.snapshot);
  await read(service, repository.snapshot);
  const all = await service.listRepositories();
  const [status, ...others] = all.filter((each) => each.repository.path === repository.path);
  expect(others).toEqual([]);
  expect(status).toMatchObject({
    repository: repository.id,
    mirror: { state: 'ready', packs: 1, commit },
    stored: { etag, commit },
    isCurrent: true,
    error: undefined,
  });
  expect(status?.mirror?.bytes).toBeGreaterThan(0);
  expect(status?.requestedAt).toBeGreaterThanOrEqual(before);
  expect(status?.checkedAt).toBeGreaterThanOrEqual(before);
});

/**
 * @one-node-version
 */
import { checkKey } from '../../lib/artifact/key.js';
import type { SnapshotOptions, SnapshotService } from '../../lib/index.js';
import { setDate } from '../support/fake-date.js';
import { counter, next, read, rebuilt } from '../support/fresh-repository.js';
import { GatedStore } from '../support/gated-store.js';
import { ownRepository } from '../support/own-repository.js';
import { buildSmall, push } from '../support/small-repositories.js';
import { WatchedLocks } from '../support/watched-locks.js';

/*
 * Services that share a store and locks learn about the upstream from each other. When does each service still check?
 */

const repository = ownRepository(buildSmall);
const { defer } = repository;
const DAY = 24 * 60 * 60_000;
const RARELY = { maxAge: 0x7fff_ffff, checkInterval: 0 } as const;

let store: GatedStore;
let locks: WatchedLocks;
/** Each has a disk of its own. */
let one: SnapshotService;
let two: SnapshotService;

beforeAll(async () => {
  store = new GatedStore({ maxBytes: 1e9 });
  locks = new WatchedLocks();
  [one, two] = [await replica(), await replica()];
});

async function replica(options: Partial<SnapshotOptions> = {}): Promise<SnapshotService> {
  const app = await repository.startSharedApp({ store, locks, freshness: RARELY, ...options });
  return app.router.service;
}

const asked = () => repository.upstream.infoRefs(repository.path);
const url = () => repository.url;
const ownCheckKey = () => checkKey(repository.id);

/** The status of the test's repository in a service. */
async function statusAt(service: SnapshotService) {
  return (await service.listRepositories()).filter(
    (each) => each.repository.path === repository.path,
  );
}

describe('A snapshot that another replica stored', () => {
  test('after a push, but built before it, is not served as the pushed commit', async () => {
    const [slow, other] = [one, two];
    await read(other, { ...repository.snapshot, depth: 1 });
    const gate = store.gate();
    const reading = read(slow, repository.snapshot);
    await gate.reached;
    const commit = await push(repository.bare);
    const refreshed = next(other, 'fetch done', repository.id);
    await other.notifyPush(url());
    await refreshed;
    gate.release();
    await reading;
    expect(await slow.statStored(repository.snapshot)).toMatchObject({ size: expect.any(Number) });
    expect(await statusAt(other)).toMatchObject([{ isCurrent: false }]);
    const isRebuilt = rebuilt(other, repository.snapshot);
    await read(other, repository.snapshot);
    await isRebuilt;
    for (const each of [other, slow])
      expect((await read(each, repository.snapshot)).commit).toBe(commit);
  });

  test('with a clock that is a day ahead does not count as newer than later checks', async () => {
    const setRight = setDate(defer, DAY);
    await read(one, repository.snapshot);
    setRight();
    const commit = await push(repository.bare);
    expect((await two.refresh(repository.id)).commit).toBe(commit);
  });

  test('by ref or depth is served without a mirror until something is pushed', async () => {
    const strict = { freshness: { staleWhileRevalidate: 0, maxAge: 0, checkInterval: 0 } } as const;
    const [one, two] = [await replica(strict), await replica(strict)];
    const id = { ...repository.snapshot, depth: 1 };
    await read(one, id);
    const clones = counter(two, 'clone started', repository.id);
    const before = asked();
    for (let i = 1; i <= 3; i++) {
      expect((await read(two, id)).source).toBe('store');
      expect(asked()).toBe(before + i);
    }
    expect(clones()).toBe(0);
    await push(repository.bare);
    expect((await read(two, id)).source).toBe('build');
  });
});

describe('A check that another replica made', () => {
  /** Makes a service check in the background, unless a check of another one is recent enough. */
  async function check(service: SnapshotService): Promise<void> {
    const over = locks.next('released', ownCheckKey());
    await service.notifyPush(url());
    await over;
  }

  test('with a clock that is a day ahead is made again', async () => {
    const setRight = setDate(defer, DAY);
    await read(one, repository.snapshot);
    await check(one);
    setRight();
    await read(two, repository.snapshot);
    const before = asked();
    await check(two);
    expect(asked()).toBe(before + 1);
  });

  test('before a push was announced does not count for that push', async () => {
    for (const each of [one, two]) await read(each, repository.snapshot);
    const gate = repository.upstream.gateRefs(repository.path);
    await one.notifyPush(url());
    await gate.reached;
    const commit = await push(repository.bare);
    const wanted = locks.next('wanted', ownCheckKey());
    await two.notifyPush(url());
    await wanted;
    const before = asked();
    const answered = locks.next('released', ownCheckKey());
    gate.release();
    await answered;
    await locks.next('released', ownCheckKey());
    expect(asked()).toBe(before + 1);
    expect((await two.refresh(repository.id)).commit).toBe(commit);
  });

  test('and that ends too late does not count', async () => {
    // The test makes the timeout pass.
    const late = new AbortController();
    const { timeout } = AbortSignal;
    const waiting = jest.spyOn(AbortSignal, 'timeout');
    waiting.mockImplementation((milliseconds) =>
      milliseconds === 10_000 && !late.signal.aborted ? late.signal : timeout(milliseconds),
    );
    defer(() => waiting.mockRestore());
    for (const each of [one, two]) await read(each, repository.snapshot);
    const gate = repository.upstream.gateRefs(repository.path);
    await one.notifyPush(url());
    await gate.reached;
    await push(repository.bare);
    const wanted = locks.next('wanted', ownCheckKey());
    await two.notifyPush(url());
    await wanted;
    const again = locks.next('wanted', ownCheckKey());
    late.abort();
    await again;
    const refreshed = next(two, 'fetch done', repository.id);
    gate.release();
    expect(await refreshed).toMatchObject({ changed: true });
  });

  test('does not replace the result of a later check', async () => {
    const behind = new WatchedLocks(locks);
    const two = await replica({ locks: behind });
    for (const each of [one, two]) await read(each, repository.snapshot);
    const held = behind.hold(ownCheckKey());
    const wanted = behind.next('wanted', ownCheckKey());
    await two.notifyPush(url());
    await wanted;
    await check(one);
    const commit = await push(repository.bare);
    await two.refresh(repository.id);
    const adopted = behind.next('released', ownCheckKey());
    held.release();
    await adopted;
    expect(await statusAt(two)).toMatchObject([{ isCurrent: true, stored: { commit } }]);
  });
});

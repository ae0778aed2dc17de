/**
 * @one-node-version
 */

import { type Clock, install } from '@sinonjs/fake-timers';
import { defaultSnapshot } from '../../lib/artifact/id.js';
import { MemoryStore, type SnapshotOptions, type SnapshotService } from '../../lib/index.js';
import {
  counter,
  type FreshRepository,
  freshRepository,
  next,
  read,
  rebuilt,
} from '../support/fresh-repository.js';
import { git } from '../support/run.js';
import { push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';

/*
 * How soon a default snapshot is built again when the upstream changes often.
 */

const { directory, defer } = cleanup(afterEach);
const MINUTE = 60_000;

let clock: Clock;
let repository: FreshRepository;

beforeEach(async () => {
  repository = await freshRepository({ directory, defer });
  clock = install({
    now: Date.now(),
    toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'],
  });
  defer(() => clock.uninstall());
});

/** With the interval that is the default. */
function start(options: Partial<SnapshotOptions> = {}): SnapshotService {
  const freshness = { checkInterval: 0, minRebuildInterval: undefined, ...options.freshness };
  return repository.start({ ...options, freshness });
}

/** Has a service told of a push. Resolves when its mirror has it. */
async function announce(service: SnapshotService): Promise<void> {
  const refreshed = next(service, 'fetch done');
  await service.notifyPush(repository.url);
  clock.tick(1);
  await refreshed;
}

/** Resolves when whatever the service does in the background at once has had its turn. */
async function untilRenewed(service: SnapshotService): Promise<void> {
  const other = { ...repository.id, path: 'org/other' };
  const bare = await repository.add(other.path);
  await read(service, defaultSnapshot(other));
  await push(bare, { message: 'other' });
  clock.tick(5 * MINUTE);
  const isRebuilt = rebuilt(service, defaultSnapshot(other));
  await read(service, defaultSnapshot(other));
  await isRebuilt;
}

test('15 pushes to side branches within four minutes cause one new snapshot, after five', async () => {
  const service = start();
  const first = await read(service, repository.snapshot);
  const started = Date.now();
  const builds = counter(service, 'build started', repository.id);
  let pushed = '';
  for (let i = 0; i < 15; i++) {
    pushed = await push(repository.bare, { branch: 'side', message: `side ${i}` });
    clock.tick(16_000);
    await announce(service);
    const served = await read(service, repository.snapshot);
    expect([served.source, served.etag]).toEqual(['store', first.etag]);
    const asked = repository.upstream.requests.length;
    const wanted = { refs: new Map([['refs/heads/side', pushed]]), commits: [] };
    expect(await service.ensureRefs(repository.id, wanted)).toMatchObject({ fetched: false });
    expect(repository.upstream.requests.length).toBe(asked);
  }
  expect(builds()).toBe(0);
  const isRebuilt = rebuilt(service, repository.snapshot);
  clock.tick(started + 5 * MINUTE - Date.now());
  await isRebuilt;
  expect(builds()).toBe(1);
  const refs = new Map([['refs/heads/side', pushed]]);
  await service.ensureRefs(repository.id, { refs, commits: [] });
  expect((await read(service, repository.snapshot)).etag).not.toBe(first.etag);
});

test('Until then, a header names the bundle with the newer commits', async () => {
  const freshness = { checkInterval: 0, minRebuildInterval: 5 * MINUTE };
  const app = await repository.startApp({ freshness });
  const get = async (path: string) => {
    const response = await fetch(`${app.url}${path}`);
    await response.arrayBuffer();
    return response;
  };
  const path = `/git/${repository.id.host}/${repository.path}/snapshot.tar.zst`;
  const base = (await get(path)).headers.get('x-cachew-snapshot-commit');
  await app.router.service.statStored(repository.snapshot);
  const commit = await push(repository.bare);
  await announce(app.router.service);
  const stale = await get(path);
  expect(stale.headers.get('x-cachew-snapshot-commit')).toBe(base);
  const bundle = stale.headers.get('x-cachew-bundle-url') ?? '';
  expect(bundle.endsWith(`?base=${base}`)).toBe(true);
  expect((await get(bundle)).status).toBe(200);
  expect(app.router.service.headCommit(repository.id)).toBe(commit);
});

test('service.refresh builds at once', async () => {
  const service = start();
  await read(service, repository.snapshot);
  const commit = await push(repository.bare);
  expect((await service.refresh(repository.id)).commit).toBe(commit);
  expect((await read(service, repository.snapshot)).commit).toBe(commit);
});

test('With staleWhileRevalidate 0, each request gets every push that came before it', async () => {
  const service = start({ freshness: { staleWhileRevalidate: 0, maxAge: 0 } });
  for (let i = 0; i < 3; i++) {
    const commit = await push(repository.bare, { message: `push ${i}` });
    clock.tick(1);
    expect((await read(service, repository.snapshot)).commit).toBe(commit);
  }
});

test('A build waits for half of staleWhileRevalidate at most', async () => {
  const service = start({ freshness: { staleWhileRevalidate: 4 * MINUTE } });
  await read(service, repository.snapshot);
  const commit = await push(repository.bare);
  await announce(service);
  const builds = counter(service, 'build started', repository.id);
  await read(service, repository.snapshot);
  clock.tick(2 * MINUTE - 1000);
  expect(builds()).toBe(0);
  const isRebuilt = rebuilt(service, repository.snapshot);
  clock.tick(1000);
  await isRebuilt;
  expect((await service.statStored(repository.snapshot))?.commit).toBe(commit);
});

test('Snapshots of a branch are built at once, because no bundle leads from them to the newer commits', async () => {
  const service = start();
  const id = { ...repository.snapshot, ref: 'main' };
  await read(service, id);
  const commit = await push(repository.bare);
  await announce(service);
  const isRebuilt = rebuilt(service, repository.snapshot);
  await read(service, id);
  await isRebuilt;
  expect((await service.statStored(id))?.commit).toBe(commit);
});

test('The interval counts from the last build of any service on the store', async () => {
  const store = new MemoryStore({ maxBytes: 1e8 });
  const freshness = { maxAge: 60 * MINUTE };
  const [one, two] = [
    start({ store, freshness }),
    start({ store, freshness, dataDir: await directory() }),
  ];
  await read(one, repository.snapshot);
  await read(two, { ...repository.snapshot, depth: 1 });
  await read(two, repository.snapshot);
  const builds = counter(two, 'build started', repository.id);
  await push(repository.bare);
  await announce(two);
  await read(two, repository.snapshot);
  clock.tick(4 * MINUTE);
  expect(builds()).toBe(0);
  const isRebuilt = rebuilt(two, repository.snapshot);
  clock.tick(MINUTE);
  await isRebuilt;
});

test('A push by force, which removes objects from the mirror, waits as well', async () => {
  const service = start();
  await push(repository.bare, { branch: 'side' });
  const first = await read(service, repository.snapshot);
  const builds = counter(service, 'build started', repository.id);
  await git(repository.bare, 'update-ref', 'refs/heads/side', 'main~1');
  const consolidated = next(service, 'repack done', repository.id);
  await announce(service);
  await consolidated;
  expect((await read(service, repository.snapshot)).etag).toBe(first.etag);
  clock.tick(4 * MINUTE);
  expect(builds()).toBe(0);
  const isRebuilt = rebuilt(service, repository.snapshot);
  clock.tick(MINUTE);
  await isRebuilt;
  expect((await read(service, repository.snapshot)).etag).not.toBe(first.etag);
  await untilRenewed(service);
  expect(builds()).toBe(1);
});

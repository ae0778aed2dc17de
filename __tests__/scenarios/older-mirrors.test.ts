/**
 * @one-node-version
 */

import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { ArtifactId } from '../../lib/artifact/id.js';
import { defaultSnapshot } from '../../lib/artifact/id.js';
import { artifactKey } from '../../lib/artifact/key.js';
import { MemoryStore, type SnapshotOptions, type SnapshotService } from '../../lib/index.js';
import { counter, next, read, rebuilt } from '../support/fresh-repository.js';
import { HOST } from '../support/host-app.js';
import { ownRepository } from '../support/own-repository.js';
import { buildSmall, push } from '../support/small-repositories.js';

/*
 * Two services with disks of their own share a store. One of them has an older mirror, and the upstream is down:
 * what the other one stored stays.
 */

const repository = ownRepository(buildSmall);

const STALE_FOR = [24 * 60 * 60_000, 0] as const;

/** Two services for the tests of a value, each of which has a repository of its own. */
interface Replicas {
  readonly store: MemoryStore;
  /** Has the older mirror. */
  readonly behind: SnapshotService;
  /** Ends that one. @returns one with its disk, as another process would start it. */
  restart(): Promise<SnapshotService>;
  readonly ahead: SnapshotService;
}

async function replicas(staleWhileRevalidate: number): Promise<Replicas> {
  const store = new MemoryStore({ maxBytes: 1e8 });
  const options: Partial<SnapshotOptions> = {
    store,
    freshness: { staleWhileRevalidate, maxAge: 0, checkInterval: 0, negativeCacheTtl: 0 },
  };
  const start = async (on: { readonly dataDir?: string } = {}) => {
    const { router, dataDir } = await repository.startSharedApp({ ...options, ...on });
    await router.service.ready();
    return { service: router.service, dataDir };
  };
  let behind = await start();
  const { service: ahead } = await start();
  return {
    store,
    get behind() {
      return behind.service;
    },
    async restart() {
      await behind.service.close({ drain: true });
      behind = await start({ dataDir: behind.dataDir });
      return behind.service;
    },
    ahead,
  };
}

const down = () => repository.upstream.fault(repository.path, { kind: 'status', status: 503 });

/** Another repository at the same upstream. */
const OTHER = { host: HOST, path: 'org/other' };
let otherBare: string;

beforeAll(async () => {
  otherBare = join(repository.root, `${OTHER.path}.git`);
  await buildSmall(otherBare);
});

/** Resolves when what a service began in the background has had its turn: before another repository's. */
async function untilRenewed(service: SnapshotService): Promise<void> {
  await service.refresh(OTHER);
  await push(otherBare, { message: randomUUID() });
  const failed = next(service, 'fetch failed', repository.id);
  await service.notifyPush(repository.url);
  await failed;
  const isRebuilt = rebuilt(service, defaultSnapshot(OTHER));
  await service.notifyPush(`${repository.upstream.url}/${OTHER.path}`);
  await isRebuilt;
}

/** Has a service serve something several times, and expects it to be what is stored. */
async function expectServedOn(
  service: SnapshotService,
  id: ArtifactId,
  stored: { commit: string | undefined; etag: string },
): Promise<void> {
  const builds = counter(service, 'build started', repository.id);
  const deleted = counter(service, 'evicted', repository.id);
  for (let i = 0; i < 2; i++) {
    const { source, commit, etag } = await read(service, id);
    expect({ source, commit, etag }).toEqual({ source: 'store', ...stored });
    expect(await service.statStored(id, { revalidate: true })).toMatchObject(stored);
  }
  await untilRenewed(service);
  expect([builds(), deleted()]).toEqual([0, 0]);
}

describe.each(STALE_FOR)('With the upstream down and staleWhileRevalidate %d,', (stale) => {
  let scene: Replicas;

  beforeAll(async () => {
    scene = await replicas(stale);
  });

  test.each([
    ['that was started anew', true],
    ['that goes on', false],
  ])('a service %s serves the newer artifacts that another one stored', async (_, isRestarted) => {
    const { behind, ahead, restart, store } = scene;
    await read(behind, repository.snapshot);
    const pushed = await push(repository.bare);
    const { etag, commit } = await ahead.refresh(repository.id);
    expect(commit).toBe(pushed);
    down();
    const service = isRestarted ? await restart() : behind;
    await expectServedOn(service, repository.snapshot, { etag, commit });
    expect((await store.stat(artifactKey(repository.snapshot)))?.metadata.commit).toBe(pushed);
  });

  test.each([
    ['a branch', 'topic', {}],
    ['a branch to a depth', 'topic', { depth: 1 }],
  ])('%s that its mirror does not have is served, and not deleted', async (_, ref, depth) => {
    const { behind, ahead, restart } = scene;
    await read(behind, repository.snapshot);
    await push(repository.bare, { branch: ref });
    const id = { ...repository.snapshot, ref, ...depth };
    const { etag, commit } = await read(ahead, id);
    down();
    await expectServedOn(await restart(), id, { etag, commit });
  });

  test('a commit that its mirror does not have is served, and not deleted', async () => {
    const { behind, ahead, restart } = scene;
    await read(behind, repository.snapshot);
    const id = { ...repository.snapshot, ref: await push(repository.bare) };
    const { etag, commit } = await read(ahead, id);
    down();
    await expectServedOn(await restart(), id, { etag, commit });
  });

  test('two services on one store do not keep replacing each other’s snapshots', async () => {
    const { behind, ahead, restart } = scene;
    await read(behind, repository.snapshot);
    await push(repository.bare);
    const { etag, commit } = await ahead.refresh(repository.id);
    down();
    for (const each of [await restart(), ahead]) {
      expect(await read(each, repository.snapshot)).toMatchObject({
        source: 'store',
        etag,
        commit,
      });
      await untilRenewed(each);
    }
    expect(await ahead.statStored(repository.snapshot)).toMatchObject({ etag, commit });
  });

  test('a bundle that leads to a newer commit is still served', async () => {
    const { behind, ahead, restart } = scene;
    const { commit: base = '' } = await read(behind, repository.snapshot);
    await push(repository.bare, { message: 'between' });
    await behind.refresh(repository.id);
    await push(repository.bare, { message: 'later' });
    await ahead.refresh(repository.id);
    const id = { kind: 'bundle', repository: repository.id, base } as const;
    const { etag } = await read(ahead, id);
    down();
    const service = await restart();
    const builds = counter(service, 'build started', repository.id);
    for (let i = 0; i < 2; i++) {
      expect(await read(service, id)).toMatchObject({ source: 'store', etag });
    }
    expect(builds()).toBe(0);
  });

  test('an artifact that is not stored is still built from the mirror', async () => {
    const { behind } = scene;
    const { commit } = await read(behind, repository.snapshot);
    down();
    const made = await read(behind, { ...repository.snapshot, depth: 1 });
    expect(made).toMatchObject({ source: 'build', commit });
  });

  test('and then up again, a service with an older mirror fetches from the upstream', async () => {
    const { behind, ahead, restart } = scene;
    await read(behind, repository.snapshot);
    await push(repository.bare);
    const { etag } = await ahead.refresh(repository.id);
    const heal = down();
    const service = await restart();
    expect(await read(service, repository.snapshot)).toMatchObject({ source: 'store', etag });
    heal();
    const commit = await push(repository.bare, { message: 'last' });
    expect((await service.refresh(repository.id)).commit).toBe(commit);
    expect((await read(ahead, repository.snapshot)).commit).toBe(commit);
  });
});

/**
 * @one-node-version
 */

import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { defaultSnapshot } from '../../lib/artifact/id.js';
import type { SnapshotService } from '../../lib/index.js';
import { damagePack } from '../support/damage-pack.js';
import { holdDeadlines } from '../support/deadlines.js';
import { fakeDate } from '../support/fake-date.js';
import type { Fault } from '../support/faults.js';
import { counter, next, read } from '../support/fresh-repository.js';
import { fsck } from '../support/fsck.js';
import { packOfTree } from '../support/hand-made-tree.js';
import type { HostApp, HostAppOptions } from '../support/host-app.js';
import { makePack } from '../support/hostile-pack.js';
import { expectNothingLeft, mirrorNames } from '../support/nothing-left.js';
import { commitBody, objectId, treeBody } from '../support/object-id.js';
import { ownRepository } from '../support/own-repository.js';
import { git } from '../support/run.js';
import { buildSmall, push } from '../support/small-repositories.js';

const AT_ONCE = { maxAge: 0, checkInterval: 0 } as const;
const STRICT = { ...AT_ONCE, staleWhileRevalidate: 0 } as const;
const PLAIN = { negativeCacheTtl: 0 } as const;

/** An hour, in milliseconds. The tests end the deadlines themselves. */
const DEADLINE = 3_600_000;
const LIMITS = { timeouts: { fetchTimeout: DEADLINE } } as const;

const repository = ownRepository(buildSmall);
const { directory, defer } = repository;

async function start(options: Partial<HostAppOptions>): Promise<SnapshotService> {
  return (await repository.startApp(options)).router.service;
}

async function mirrorsOf(dataDir: string): Promise<string[]> {
  return (await mirrorNames(dataDir)).map((name) => join(dataDir, 'mirrors', name));
}

async function onlyMirror(dataDir: string): Promise<string> {
  const [mirror, ...others] = await mirrorsOf(dataDir);
  if (mirror === undefined || others.length > 0) throw new Error('there is not one mirror');
  return mirror;
}

/** The unfinished files of fetches into a mirror. */
async function unfinished(mirror: string): Promise<string[]> {
  return (await readdir(mirror)).filter((name) => name.includes('~'));
}

interface Failure {
  what: string;
  fault: Fault;
  code: string;
  /** Only the deadline ends it. */
  hangs?: boolean;
}

const unreachable = 'UPSTREAM_UNREACHABLE';
const FAILURES: Failure[] = [
  { what: 'answers 500', fault: { kind: 'status', status: 500 }, code: unreachable },
  { what: 'answers 404', fault: { kind: 'status', status: 404 }, code: 'UPSTREAM_NOT_FOUND' },
  { what: 'is no git', fault: { kind: 'not-git' }, code: 'UPSTREAM_INVALID' },
  {
    what: 'fails to send a pack',
    fault: { kind: 'status', status: 503, on: 'upload-pack' },
    code: unreachable,
  },
  { what: 'cuts the pack', fault: { kind: 'die', after: 30 }, code: unreachable },
  { what: 'ends the pack early', fault: { kind: 'truncate', after: 30 }, code: 'UPSTREAM_INVALID' },
  {
    what: 'stops within the pack',
    fault: { kind: 'stall', after: 30 },
    code: 'UPSTREAM_TIMEOUT',
    hangs: true,
  },
  { what: 'damages the pack', fault: { kind: 'flip', at: 40 }, code: 'UPSTREAM_INVALID' },
  {
    what: 'sends a pack with another trailer',
    fault: { kind: 'wrong-trailer' },
    code: 'UPSTREAM_INVALID',
  },
];

describe('An upstream that', () => {
  const apps = new Set<HostApp>();
  /** By mirror: how many files of packs it has in the end. */
  const mirrors = new Map<string, number>();

  /** A service that these tests share, with a snapshot of the test's repository. */
  async function startFresh(freshness: typeof AT_ONCE | typeof STRICT) {
    const app = await repository.sharedApp({ freshness: { ...PLAIN, ...freshness }, ...LIMITS });
    apps.add(app);
    const { service } = app.router;
    const old = await read(service, repository.snapshot);
    const added = (await mirrorsOf(app.dataDir)).filter((path) => !mirrors.has(path));
    expect(added).toHaveLength(1);
    const [mirror = ''] = added;
    mirrors.set(mirror, 2);
    return { service, old, mirror };
  }

  test.each(FAILURES)(
    '$what does not prevent that stored snapshots are served',
    async ({ fault, code, hangs }) => {
      // Whether stale answers are allowed makes no difference after a failed check: each has half of the cases.
      const { service, old, mirror } = await startFresh(code === unreachable ? AT_ONCE : STRICT);
      const { upstream, path, id, bare } = repository;
      const status = async () => {
        const all = await service.listRepositories();
        return all.find((one) => one.repository.path === path);
      };
      const refs = await git(mirror, 'for-each-ref');
      const commit = await push(bare);
      const passDeadline = holdDeadlines(defer, DEADLINE);
      upstream.fault(path, fault);
      if (hangs) void upstream.gate(path, 30).reached.then(passDeadline);

      const failed = next(service, 'fetch failed');
      expect(await read(service, defaultSnapshot(id))).toEqual({ ...old, source: 'store' });
      expect((await failed).error.code).toBe(code);
      expect(await status()).toMatchObject({ isCurrent: true, error: { code } });
      expect(await git(mirror, 'for-each-ref')).toBe(refs);
      expect(await fsck(mirror)).toEqual([]);

      upstream.heal(path);
      await service.refresh(id);
      expect((await read(service, defaultSnapshot(id))).commit).toBe(commit);
      expect(await status()).toMatchObject({ isCurrent: true, error: undefined });
      mirrors.set(mirror, 4);
    },
  );

  const tree = treeBody([['100644', 'file', objectId('blob', Buffer.from('lost\n'))]]);

  test.each([
    ['a blob', tree, () => []],
    ['a tree', undefined, () => []],
    ['a parent', treeBody([]), () => ['0123456789012345678901234567890123456789']],
  ] as const)('sends a pack that lacks %s is refused', async (_what, body, parents) => {
    const { service, old, mirror } = await startFresh(STRICT);
    const { upstream, path, id } = repository;
    const treeId = objectId('tree', body ?? tree);
    const commit = commitBody(treeId, parents());
    const pack = makePack([
      { type: 'commit', body: commit },
      ...(body === undefined ? [] : [{ type: 'tree' as const, body }]),
    ]);
    const head = objectId('commit', commit);
    const refs = { HEAD: head, 'refs/heads/main': head };
    upstream.fault(path, { kind: 'replace-pack', pack, refs });
    await expect(service.refresh(id)).rejects.toMatchObject({ code: 'UPSTREAM_INVALID' });
    expect(await read(service, defaultSnapshot(id))).toEqual({ ...old, source: 'store' });
    expect(await git(mirror, 'rev-parse', 'main')).toBe(old.commit);
    expect(await fsck(mirror)).toEqual([]);
  });

  test('has failed leaves nothing unfinished behind', async () => {
    expect(mirrors.size).toBe(FAILURES.length + 3);
    for (const { router, dataDir } of apps) {
      await router.service.close({ drain: true });
      await expectNothingLeft(dataDir, repository.upstream);
    }
    for (const [mirror, files] of mirrors) {
      expect(await readdir(join(mirror, 'objects/pack'))).toHaveLength(files);
      expect(await unfinished(mirror)).toEqual([]);
    }
  });
});

test.each([
  ['its refs', { kind: 'hang-info-refs' }, 'info-refs-started'],
  ['a pack', { kind: 'hang-upload-pack' }, 'upload-pack-started'],
] as const)(
  'Stored snapshots are served while the upstream hangs at %s',
  async (_what, fault, started) => {
    const { upstream, path, id } = repository;
    const dataDir = await directory();
    const first = await start({ dataDir, freshness: STRICT });
    const old = await read(first, defaultSnapshot(id));
    await first.close({ drain: true });
    await push(repository.bare);
    upstream.fault(path, fault);
    upstream.once(started, holdDeadlines(defer, DEADLINE));
    const service = await start({ dataDir, freshness: { ...PLAIN, ...STRICT }, ...LIMITS });
    await service.ready();
    const failed = next(service, 'fetch failed');
    expect(await read(service, defaultSnapshot(id))).toEqual({ ...old, source: 'store' });
    expect((await failed).error.code).toBe('UPSTREAM_TIMEOUT');
    await service.close();
    await expectNothingLeft(dataDir, upstream);
  },
);

test('A tree that git refuses to check out is not served, and does not end the service', async () => {
  const service = await start({ freshness: { ...PLAIN, ...AT_ONCE } });
  const old = await read(service, repository.snapshot);
  const { pack, refs } = packOfTree([['100644', '.git', 'x']]);
  repository.upstream.fault(repository.path, { kind: 'replace-pack', pack, refs });
  const failed = next(service, 'build failed');
  await read(service, repository.snapshot);
  expect((await failed).error.code).toBe('REPOSITORY_INVALID');
  expect((await read(service, repository.snapshot)).etag).toBe(old.etag);
});

test('A service that closes during a fetch leaves nothing behind', async () => {
  const dataDir = await directory();
  const service = await start({ dataDir, freshness: STRICT });
  await read(service, repository.snapshot);
  await push(repository.bare);
  const gate = repository.upstream.gate(repository.path, 20);
  const refresh = service.refresh(repository.id);
  await gate.reached;
  const mirror = await onlyMirror(dataDir);
  expect(await unfinished(mirror)).toHaveLength(1);
  const [outcome] = await Promise.allSettled([refresh, service.close()]);
  expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'CLOSED' } });
  expect(await unfinished(mirror)).toEqual([]);
  await expectNothingLeft(dataDir, repository.upstream);
});

test('A mirror that turns out to be damaged at a refresh is cloned again', async () => {
  const dataDir = await directory();
  const service = await start({ dataDir, freshness: { ...PLAIN, ...STRICT } });
  await read(service, repository.snapshot);
  await damagePack(dataDir);
  const broken = counter(service, 'mirrorCorrupted');
  const commit = await push(repository.bare);
  expect((await read(service, repository.snapshot)).commit).toBe(commit);
  expect(broken()).toBe(1);
  expect(await fsck(await onlyMirror(dataDir))).toEqual([]);
});

test('A mirror that cannot be opened is cloned again, and no request fails', async () => {
  const dataDir = await directory();
  const service = await start({ dataDir, freshness: PLAIN });
  const old = await read(service, repository.snapshot);
  await service.delete(repository.snapshot);
  const packs = join(await onlyMirror(dataDir), 'objects/pack');
  for (const name of await readdir(packs)) await rm(join(packs, name));
  const broken = counter(service, 'mirrorCorrupted');
  const failed = counter(service, 'build failed');
  expect(await read(service, repository.snapshot)).toEqual(old);
  expect([broken(), failed()]).toEqual([1, 0]);
});

describe('While the upstream is down and staleIfError is over', () => {
  const HOUR = 60 * 60_000;
  const freshness = { ...PLAIN, staleWhileRevalidate: 0, staleIfError: HOUR };
  const failure = { code: 'UPSTREAM_UNREACHABLE' };
  let service: SnapshotService;

  beforeEach(async () => {
    service = await start({ freshness });
    await read(service, repository.snapshot);
    repository.upstream.fault(repository.path, { kind: 'status', status: 500 });
  });

  test('clients get the failure of the check until the upstream answers', async () => {
    const old = await service.statStored(repository.snapshot);
    fakeDate(defer, HOUR);
    expect((await read(service, repository.snapshot)).etag).toBe(old?.etag);
    fakeDate(defer, HOUR);
    for (let i = 0; i < 2; i++) {
      await expect(read(service, repository.snapshot)).rejects.toMatchObject(failure);
      await expect(
        service.statStored(repository.snapshot, { revalidate: true }),
      ).rejects.toMatchObject(failure);
    }
    repository.upstream.heal(repository.path);
    fakeDate(defer, HOUR);
    expect((await read(service, repository.snapshot)).etag).toBe(old?.etag);
  });

  test('nothing is built from an old mirror', async () => {
    await service.delete(repository.snapshot);
    fakeDate(defer, 2 * HOUR);
    await expect(read(service, repository.snapshot)).rejects.toMatchObject(failure);
  });

  test('a snapshot by commit and depth is served', async () => {
    repository.upstream.heal(repository.path);
    const fixed = { ...repository.snapshot, ref: await repository.head(), depth: 1 };
    const { etag } = await read(service, fixed);
    repository.upstream.fault(repository.path, { kind: 'status', status: 500 });
    fakeDate(defer, 5 * HOUR);
    expect((await read(service, fixed)).etag).toBe(etag);
  });
});

/**
 * @needs bash curl tar zstd
 * @one-node-version
 */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SnapshotError } from '../../lib/index.js';
import { readRevision } from '../../lib/mirror/disk/revision-file.js';
import { cloneWithGit, extract } from '../support/clone.js';
import { expectSameCheckout } from '../support/compare.js';
import { fakeDate } from '../support/fake-date.js';
import { statusReadsNothing } from '../support/first-status.js';
import { read } from '../support/fresh-repository.js';
import { fsck } from '../support/fsck.js';
import { HOST, type HostApp } from '../support/host-app.js';
import { ownRepository } from '../support/own-repository.js';
import { git } from '../support/run.js';
import { listen, nextEvent } from '../support/service-events.js';
import { push } from '../support/small-repositories.js';
import { buildTangledHistory } from '../support/tangled-history.js';

/*
 * Commits by their ids: commits that branches and tags reach, and commits that must be fetched by id.
 */

const HOUR = 3_600_000;
/** Lets no check be due again while a test runs. */
const SELDOM = { checkInterval: HOUR, maxAge: HOUR } as const;

const repository = ownRepository(buildTangledHistory);
const { directory, startApp, sharedApp } = repository;
const commitOf = (name: string) => git(repository.bare, 'rev-parse', name);
const uploadPacks = () => repository.upstream.uploadPacks(repository.path);

async function snapshotOf(app: HostApp, query = ''): Promise<string> {
  const target = join(await directory(), 'snapshot');
  await extract(`${app.snapshotUrl(repository.path)}${query}`, target);
  return target;
}

async function get(app: HostApp, query: string): Promise<{ status: number; code?: string }> {
  const response = await fetch(`${app.snapshotUrl(repository.path)}${query}`);
  if (response.status === 200) {
    await response.arrayBuffer();
    return { status: 200 };
  }
  const { code } = JSON.parse(await response.text());
  return { status: response.status, code };
}

const NOT_FOUND = { status: 404, code: 'REF_NOT_FOUND' };

async function clone(): Promise<string> {
  const target = join(await directory(), 'clone');
  await cloneWithGit(`${repository.url}.git`, target);
  return target;
}

/** git's own shallow fetch of one commit, as CI systems make it. */
async function fetchCommit(commit: string, depth: number): Promise<string> {
  const target = await directory();
  await git(target, 'init', '--quiet');
  await git(target, 'remote', 'add', 'origin', `${repository.url}.git`);
  await git(target, 'fetch', '--quiet', `--depth=${depth}`, 'origin', commit);
  await git(target, 'checkout', '--quiet', '--detach', commit);
  return target;
}

async function allow(setting = 'allowAnySHA1InWant'): Promise<void> {
  await git(repository.bare, 'config', `uploadpack.${setting}`, 'true');
}

/** Moves `main` to another commit. @returns the one that no ref leads to any more. */
async function forcePush(): Promise<string> {
  const lost = await commitOf('main');
  await git(repository.bare, 'update-ref', 'refs/heads/main', 'main~1');
  await git(repository.bare, 'tag', '-d', 'tip', 'annotated-tree', 'annotated-blob', 'a-blob');
  return lost;
}

async function expectSame(actual: string, expected: string): Promise<void> {
  await expectSameCheckout(actual, expected, { originUrl: repository.url });
  const shallow = (at: string) => readFile(join(at, '.git/shallow'), 'utf8').catch(() => 'none');
  expect(await shallow(actual)).toBe(await shallow(expected));
  const unread = (lines: string[]) => lines.filter((line) => !/^notice|dangling/.test(line));
  expect(unread(await fsck(actual))).toEqual(unread(await fsck(expected)));
}

describe('A commit that a branch or tag reaches', () => {
  test.each(['main~1', 'topic/long', 'other-root', 'aside'])(
    'is served as git clone and git checkout give it: %s',
    async (name) => {
      const app = await sharedApp({ freshness: SELDOM });
      const commit = await commitOf(`${name}^{commit}`);
      const [snapshot, expected] = [await snapshotOf(app, `?ref=${commit}`), await clone()];
      await git(expected, 'checkout', '--quiet', '--detach', commit);
      // That clone had a branch checked out before.
      await git(expected, 'branch', '--quiet', '-D', 'main');
      await expectSame(snapshot, expected);
      expect(await fsck(snapshot)).toEqual(await fsck(expected));
      expect(await statusReadsNothing(snapshot)).toBeGreaterThan(0);
    },
  );

  test.each([
    ['main', 1],
    ['main~1', 2],
    ['shortcut', 3],
    ['topic/long', 4],
  ])('is cut as git fetch cuts it: %s to depth %i', async (name, depth) => {
    const app = await sharedApp({ freshness: SELDOM });
    await allow();
    const commit = await commitOf(name);
    const snapshot = await snapshotOf(app, `?ref=${commit}&depth=${depth}`);
    await expectSame(snapshot, await fetchCommit(commit, depth));
    expect(await git(snapshot, 'status', '--porcelain')).toBe('');
    expect(await statusReadsNothing(snapshot)).toBeGreaterThan(0);
    await git(snapshot, 'fetch', '--quiet', '--unshallow', 'origin');
    expect(await git(snapshot, 'rev-list', '--count', commit)).toBe(
      await git(repository.bare, 'rev-list', '--count', commit),
    );
  });

  test('is found by its id in upper or lower case', async () => {
    const app = await sharedApp({ freshness: SELDOM });
    const commit = await commitOf('main');
    const etag = async (ref: string) =>
      (await fetch(`${app.snapshotUrl(repository.path)}?ref=${ref}`)).headers.get('etag');
    expect(await etag(commit.toUpperCase())).toBe(await etag(commit));
  });
});

describe('With `onlyReachableCommits`', () => {
  /** The options of its app. */
  const strict = () => ({
    freshness: SELDOM,
    hosts: {
      [HOST]: {
        baseUrl: repository.upstream.url,
        allowPrivateAddresses: true,
        onlyReachableCommits: true,
      },
    },
  });
  let app: HostApp;

  beforeAll(async () => {
    app = await repository.startSharedApp(strict());
  });

  test.each(['main~1', 'topic/long'])(
    'a commit of a branch is served by its id: %s',
    async (name) => {
      expect(await get(app, `?ref=${await commitOf(name)}`)).toEqual({ status: 200 });
      expect(await get(app, `?ref=${await commitOf(name)}&depth=1`)).toEqual({ status: 200 });
    },
  );

  test('a commit of a pull request is neither fetched nor reported', async () => {
    await allow();
    const commit = await commitOf('refs/pull/1/head');
    expect(await get(app, `?ref=${commit}`)).toEqual(NOT_FOUND);
    const { service } = app.router;
    const wanted = { refs: new Map(), commits: [commit] };
    const { missingCommits } = await service.ensureRefs(repository.id, wanted);
    expect(missingCommits).toEqual([commit]);
    expect(uploadPacks()).toBe(1);
  });

  test('a commit that was pushed away is no longer served, although the mirror has it', async () => {
    expect(await get(app, '')).toEqual({ status: 200 });
    const lost = await forcePush();
    await app.router.service.refresh(repository.id);
    expect(await get(app, `?ref=${lost}`)).toEqual(NOT_FOUND);
    expect(await get(app, `?ref=${lost}&depth=1`)).toEqual(NOT_FOUND);
  });

  test.each(['', '&depth=1'])(
    'a snapshot that was stored before it was set is served only if a branch or tag reaches its commit: ?ref={commit}%s',
    async (depth) => {
      await allow();
      const before = await startApp({ freshness: SELDOM });
      const reachable = `?ref=${await commitOf('main~1')}${depth}`;
      const commit = await commitOf('refs/pull/1/head');
      const other = `?ref=${commit}${depth}`;
      for (const query of [reachable, other])
        expect(await get(before, query)).toEqual({ status: 200 });
      const { dataDir } = before;
      await before.close();

      const after = await startApp({ ...strict(), dataDir });
      const { service } = after.router;
      const id = { ...repository.snapshot, ref: commit, depth: depth === '' ? undefined : 1 };
      expect(await service.statStored(id)).toBeUndefined();
      expect(await service.openStored(id)).toBeUndefined();
      const heal = repository.upstream.fault(repository.path, { kind: 'status', status: 503 });
      expect(await get(after, other)).toEqual(NOT_FOUND);
      heal();
      expect(await get(after, other)).toEqual(NOT_FOUND);
      expect(await get(after, reachable)).toEqual({ status: 200 });
      expect(await get(after, reachable)).toEqual({ status: 200 });
      expect(await service.statStored({ ...id, ref: await commitOf('main~1') })).toBeDefined();
    },
  );
});

describe('A commit that no branch or tag reaches', () => {
  const sources: [string, () => Promise<string>][] = [
    ['a pull request', () => commitOf('refs/pull/1/head')],
    ['a branch that was pushed away', forcePush],
  ];

  test.each(sources)('is fetched once if the upstream allows it: %s', async (_, make) => {
    const app = await sharedApp({ freshness: SELDOM });
    await allow();
    const commit = await make();
    const before = await snapshotOf(app);
    const tag = async () => (await fetch(app.snapshotUrl(repository.path))).headers.get('etag');
    const etag = await tag();
    const asked = uploadPacks();
    const snapshot = await snapshotOf(app, `?ref=${commit}`);
    const shallow = await snapshotOf(app, `?ref=${commit}&depth=2`);
    await snapshotOf(app, `?ref=${commit}&depth=3`);
    expect(uploadPacks()).toBe(asked + 1);

    expect(await git(snapshot, 'rev-parse', 'HEAD')).toBe(commit);
    expect(await git(snapshot, 'status', '--porcelain')).toBe('');
    const expected = await clone();
    await git(expected, 'fetch', '--quiet', 'origin', commit);
    await git(expected, 'checkout', '--quiet', '--detach', commit);
    await git(expected, 'branch', '--quiet', '-D', 'main');
    await expectSame(snapshot, expected);
    await expectSame(shallow, await fetchCommit(commit, 2));

    expect(await tag()).toBe(etag);
    await app.router.service.delete(repository.snapshot);
    const after = await snapshotOf(app);
    expect(await tag()).toBe(etag);
    expect(await git(after, 'show-ref')).toBe(await git(before, 'show-ref'));
    expect(await fsck(after)).toEqual(await fsck(before));
    const named = await snapshotOf(app, '?ref=topic/long');
    expect(await fsck(named)).toEqual(await fsck(before));
  });

  test.each(['allowReachableSHA1InWant', 'allowAnySHA1InWant'])(
    'is found when the upstream has %s',
    async (setting) => {
      const app = await sharedApp({ freshness: SELDOM });
      await allow(setting);
      const commit = await commitOf('refs/pull/1/head~1');
      await git(repository.bare, 'tag', '-d', 'aside');
      expect(await get(app, `?ref=${commit}&depth=1`)).toEqual({ status: 200 });
    },
  );

  test('is found if a ref of the upstream is at it, which every upstream gives', async () => {
    const app = await sharedApp({ freshness: SELDOM });
    const commit = await commitOf('refs/pull/1/head');
    expect(await get(app, `?ref=${commit}&depth=1`)).toEqual({ status: 200 });
  });

  test('is not found if the upstream does not give it, and is not searched again at once', async () => {
    const app = await sharedApp({ freshness: SELDOM });
    const commit = await commitOf('refs/pull/1/head~1');
    await git(repository.bare, 'tag', '-d', 'aside');
    expect(await get(app, `?ref=${commit}`)).toEqual(NOT_FOUND);
    const asked = repository.upstream.requests.length;
    for (const query of [`?ref=${commit}`, `?ref=${commit}&depth=1`, `?ref=${commit}&depth=2`]) {
      expect(await get(app, query)).toEqual(NOT_FOUND);
    }
    expect(repository.upstream.requests.length).toBe(asked);
  });

  test('is searched again after checkInterval', async () => {
    const app = await startApp({ freshness: SELDOM });
    const commit = await commitOf('refs/pull/1/head~1');
    await git(repository.bare, 'tag', '-d', 'aside');
    expect(await get(app, `?ref=${commit}`)).toEqual(NOT_FOUND);
    await allow();
    expect(await get(app, `?ref=${commit}`)).toEqual(NOT_FOUND);
    fakeDate(repository.defer, HOUR);
    expect(await get(app, `?ref=${commit}`)).toEqual({ status: 200 });
  });

  test('is not found when there is no such commit', async () => {
    const app = await sharedApp({ freshness: SELDOM });
    await allow();
    const tree = await commitOf('main^{tree}');
    const tag = await commitOf('v2');
    const hidden = await commitOf('refs/pull/1/head^{tree}');
    const bogus = ['0'.repeat(40), 'f'.repeat(40), tree, tag, hidden];
    for (const oid of bogus) expect([oid, await get(app, `?ref=${oid}`)]).toEqual([oid, NOT_FOUND]);
    const asked = repository.upstream.requests.length;
    for (const oid of bogus) expect(await get(app, `?ref=${oid}&depth=1`)).toEqual(NOT_FOUND);
    expect(repository.upstream.requests.length).toBe(asked);
  });

  test('is fetched once for all concurrent requests', async () => {
    const app = await sharedApp({ freshness: SELDOM });
    await allow();
    await snapshotOf(app);
    const commit = await commitOf('refs/pull/1/head');
    const bogus = 'f'.repeat(40);
    const asked = uploadPacks();
    const depths = [1, 2, 3, 4];
    const ask = (ref: string) => depths.map((depth) => get(app, `?ref=${ref}&depth=${depth}`));
    expect(await Promise.all(ask(commit))).toEqual(depths.map(() => ({ status: 200 })));
    expect(uploadPacks()).toBe(asked + 1);
    expect(await Promise.all(ask(bogus))).toEqual(depths.map(() => NOT_FOUND));
    expect(uploadPacks()).toBe(asked + 2);
  });

  test('has a limited number of waiting clients, because ids can be made up', async () => {
    const app = await startApp();
    await snapshotOf(app);
    repository.upstream.fault(repository.path, { kind: 'hang-info-refs' });
    const ids = Array.from({ length: 17 }, (_, i) => `${i}`.padStart(40, '0'));
    const asking = ids.map((ref) => app.router.service.get({ ...repository.snapshot, ref }));
    const refused = await Promise.any(
      asking.map(async (answer) => {
        const error: unknown = await answer.catch((reason: unknown) => reason);
        if (error instanceof SnapshotError && error.code === 'OVERLOADED') return error;
        throw error;
      }),
    );
    expect(refused.retryAfter).toBeGreaterThan(0);
    await app.router.close();
    const outcomes = await Promise.allSettled(asking);
    const codes = outcomes.map((outcome) => 'reason' in outcome && outcome.reason.code);
    expect(codes.sort()).toEqual([...Array(16).fill('CLOSED'), 'OVERLOADED']);
  });

  test('survives pushes, repacks and pruning, in a mirror that git finds complete', async () => {
    const app = await startApp({ freshness: { staleWhileRevalidate: 0, maxAge: 0 } });
    const failures: unknown[] = [];
    const { service } = app.router;
    const consolidated = nextEvent(service, 'repack done');
    listen(service, 'repack failed', ({ error }) => failures.push(error));
    listen(service, 'fetch failed', ({ error }) => failures.push(error));
    listen(service, 'mirrorCorrupted', ({ error }) => failures.push(error));
    const mirror = async () => {
      const [name = ''] = await readdir(join(app.dataDir, 'mirrors'));
      return join(app.dataDir, 'mirrors', name);
    };
    await allow();
    const pinned: string[] = [];
    for (let i = 0; i < 9; i++) {
      // Each on top of the one before, and of what is pushed away right after.
      const parents = [pinned.at(-1) ?? (await commitOf('main'))];
      const commit = await push(repository.bare, {
        branch: 'gone',
        parents,
        files: { 'gone.txt': `${i}` },
      });
      await git(repository.bare, 'update-ref', '-d', 'refs/heads/gone');
      expect(await get(app, `?ref=${commit}&depth=1`)).toEqual({ status: 200 });
      pinned.push(commit);
    }
    // A few packs for the commits. Some were combined on the way.
    await consolidated;
    const revision = await readRevision(await mirror());
    expect(revision?.pinned.packs.length).toBeLessThanOrEqual(6);
    await forcePush();
    expect(await get(app, '')).toEqual({ status: 200 });
    const asked = uploadPacks();
    for (const commit of pinned) {
      const snapshot = await snapshotOf(app, `?ref=${commit}`);
      expect(await git(snapshot, 'rev-parse', 'HEAD')).toBe(commit);
      expect((await fsck(snapshot)).filter((line) => !line.startsWith('dangling'))).toEqual([]);
    }
    expect(uploadPacks()).toBe(asked);
    expect(failures).toEqual([]);
    // Files that are pruned meanwhile must not disturb git.
    await app.router.close({ drain: true });
    expect(await fsck(await mirror())).toEqual([]);
  });

  test('fails while the upstream is down, and is found when it is back', async () => {
    const app = await sharedApp({ freshness: { maxAge: HOUR } });
    await allow();
    await snapshotOf(app);
    const commit = await commitOf('refs/pull/1/head');
    repository.upstream.fault(repository.path, { kind: 'status', status: 500 });
    expect(await get(app, `?ref=${commit}`)).toMatchObject({ status: 503 });
    repository.upstream.heal(repository.path);
    expect(await get(app, `?ref=${commit}`)).toEqual({ status: 200 });
  });

  describe('in a repository that exceeds maxMirrorBytes', () => {
    const start = async () => {
      await allow();
      return await startApp({ freshness: SELDOM, budgets: { maxMirrorBytes: 0 } });
    };

    test('is served, and its stored snapshot stays', async () => {
      const app = await start();
      const commit = await commitOf('refs/pull/1/head');
      expect(await get(app, `?ref=${commit}&depth=1`)).toEqual({ status: 200 });
      const { service } = app.router;
      const id = { ...repository.snapshot, ref: commit, depth: 1 };
      expect(await service.statStored(id)).toBeDefined();
      expect(await get(app, `?ref=${commit}`)).toEqual({ status: 200 });
      await service.close({ drain: true });
      expect(await readdir(join(app.dataDir, 'mirrors'))).toEqual([]);
    });

    test('is found by ensure-refs, by its id and by the name of its ref', async () => {
      const { service } = (await start()).router;
      const commit = await commitOf('refs/pull/1/head');
      const refs = new Map([['refs/pull/1/head', '']]);
      const byId = { refs: new Map(), commits: [commit] };
      expect((await service.ensureRefs(repository.id, byId)).missingCommits).toEqual([]);
      const byName = await service.ensureRefs(repository.id, { refs, commits: [] });
      expect(byName.refs.get('refs/pull/1/head')).toBe(commit);
    });
  });

  test.each(['get', 'ensureRefs'] as const)(
    'is found although its mirror is evicted right after the fetch: %s',
    async (method) => {
      const { service } = (await startApp({ freshness: SELDOM })).router;
      await allow();
      await read(service, repository.snapshot);
      const commit = await commitOf('refs/pull/1/head');
      const gate = repository.upstream.gate(repository.path);
      const asking =
        method === 'get'
          ? read(service, { ...repository.snapshot, ref: commit })
          : service.ensureRefs(repository.id, { refs: new Map(), commits: [commit] });
      await gate.reached;
      const evicted = service.purge(repository.id);
      gate.release();
      expect(await asking).toMatchObject(method === 'get' ? { commit } : { missingCommits: [] });
      await evicted;
    },
  );
});

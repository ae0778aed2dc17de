/**
 * @needs tar zstd
 * @one-node-version
 */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { defaultSnapshot } from '../../lib/artifact/id.js';
import type { SnapshotOptions, SnapshotService } from '../../lib/index.js';
import { fakeDate, setDate } from '../support/fake-date.js';
import {
  counter,
  type FreshRepository,
  freshRepository,
  next,
  type ReadArtifact,
  read,
  rebuilt,
  untilStored,
} from '../support/fresh-repository.js';
import { ownRepository } from '../support/own-repository.js';
import { git, run } from '../support/run.js';
import { buildEmpty, buildSmall, push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';

const AT_ONCE = { maxAge: 0, checkInterval: 0 } as const;
const STRICT = { ...AT_ONCE, staleWhileRevalidate: 0 } as const;
const NEVER = 0x7fff_ffff;

const repository = ownRepository(buildSmall);
const { directory, defer } = repository;

const strictly = () => repository.sharedService({ freshness: STRICT });
const withoutMirrors = () =>
  repository.sharedService({ freshness: STRICT, budgets: { maxMirrorBytes: 0 } });

/** HEAD and refs of a snapshot, by the names that they have at the upstream. */
async function refsOf({ bytes }: ReadArtifact): Promise<string> {
  const target = await directory();
  await run('tar', ['-xpf', '-', '-C', target, '--zstd'], { input: bytes });
  const refs = await git(target, 'for-each-ref', FORMAT, 'refs/tags', 'refs/remotes');
  const lines = refs.split('\n').filter((line) => !line.startsWith('refs/remotes/origin/HEAD '));
  const named = lines.map((line) => line.replace('refs/remotes/origin/', 'refs/heads/'));
  return [await git(target, 'symbolic-ref', 'HEAD'), ...named.sort()].join('\n');
}

async function refsOfUpstream({ bare }: FreshRepository): Promise<string> {
  const refs = await git(bare, 'for-each-ref', FORMAT);
  return [await git(bare, 'symbolic-ref', 'HEAD'), ...refs.split('\n').sort()].join('\n');
}

const FORMAT = '--format=%(refname) %(objectname)';

type Push = (bare: string) => Promise<unknown>;
const PUSHES: [what: string, push: Push][] = [
  ['a commit', (bare) => push(bare)],
  ['a new branch', (bare) => push(bare, { branch: 'topic', parents: ['refs/heads/main'] })],
  ['a branch at a commit that is there', (bare) => git(bare, 'branch', 'known', 'main~1')],
  ['a push by force', (bare) => push(bare, { parents: ['refs/heads/main~1'], message: 'forced' })],
  ['a push by force of less', (bare) => git(bare, 'update-ref', 'refs/heads/main', 'main~1')],
  ['a deleted branch', (bare) => git(bare, 'branch', '-D', 'doomed')],
  ['a new tag', (bare) => git(bare, 'tag', 'light')],
  ['a new annotated tag', (bare) => git(bare, 'tag', '-a', '-m', 'new', 'annotated')],
  ['a moved tag', (bare) => git(bare, 'tag', '-f', '-a', '-m', 'moved', 'v1.0.0', 'other')],
  ['a deleted tag', (bare) => git(bare, 'tag', '-d', 'v1.0.0')],
  ['a push by force of another history', (bare) => push(bare, { parents: [] })],
  ['another default branch', (bare) => git(bare, 'symbolic-ref', 'HEAD', 'refs/heads/other')],
];

describe('After', () => {
  const { directory: sharedDirectory, defer: deferred } = cleanup(afterAll);
  let shared: FreshRepository;
  let swr: SnapshotService;
  let strict: SnapshotService;
  let withoutMirror: SnapshotService;

  beforeAll(async () => {
    shared = await freshRepository({ directory: sharedDirectory, defer: deferred });
    for (const branch of ['other', 'doomed']) {
      await push(shared.bare, { branch, files: { 'other.txt': branch } });
    }
    swr = shared.start({ freshness: AT_ONCE });
    strict = shared.start({ freshness: STRICT, dataDir: await sharedDirectory() });
    withoutMirror = shared.start({
      freshness: STRICT,
      budgets: { maxMirrorBytes: 0 },
      dataDir: await sharedDirectory(),
    });
  });

  test.each(PUSHES)(
    '%s, each service serves the refs that its policy promises',
    async (_what, change) => {
      await Promise.all([swr, strict, withoutMirror].map((each) => each.refresh(shared.id)));
      const old = await read(strict, defaultSnapshot(shared.id));
      await change(shared.bare);
      const refs = await refsOfUpstream(shared);
      const checked = next(swr, 'fetch done');
      expect((await read(swr, defaultSnapshot(shared.id))).commit).toBe(old.commit);
      const [fresh, other] = await Promise.all(
        [strict, withoutMirror].map((s) => read(s, defaultSnapshot(shared.id))),
      );
      for (const each of [fresh, other]) {
        expect(each?.etag).not.toBe(old.etag);
        expect(each && (await refsOf(each))).toBe(refs);
      }
      await checked;
      await untilStored(swr, defaultSnapshot(shared.id), async () => {
        const [status] = await swr.listRepositories();
        return status?.isCurrent === true;
      });
      const later = await read(swr, defaultSnapshot(shared.id));
      expect(later.source).toBe('store');
      expect(await refsOf(later)).toBe(refs);
    },
  );
});

test('A deleted default branch is found without a mirror', async () => {
  await push(repository.bare, { branch: 'other', files: { 'other.txt': 'other\n' } });
  const service = await withoutMirrors();
  const evicted = next(service, 'mirrorEvicted', repository.id);
  await read(service, repository.snapshot);
  await evicted;
  await git(repository.bare, 'update-ref', '-d', 'refs/heads/main');
  const { commit } = await read(service, repository.snapshot);
  expect(commit).toBeUndefined();
});

test.each([NEVER, 0])(
  'Within maxAge, staleWhileRevalidate %d does not check the upstream, also after a restart',
  async (staleWhileRevalidate) => {
    const options = {
      freshness: { staleWhileRevalidate, maxAge: NEVER },
      dataDir: await directory(),
    };
    const first = await repository.startService(options);
    const old = await read(first, repository.snapshot);
    await push(repository.bare);
    const questions = repository.upstream.infoRefs(repository.path);
    const expectNoQuestion = async (service: SnapshotService) => {
      for (let i = 0; i < 3; i++) {
        expect(await read(service, repository.snapshot)).toEqual({ ...old, source: 'store' });
        expect((await service.statStored(repository.snapshot, { revalidate: true }))?.etag).toBe(
          old.etag,
        );
      }
      await service.close({ drain: true });
      expect(repository.upstream.infoRefs(repository.path)).toBe(questions);
    };
    await expectNoQuestion(first);
    const second = await repository.startService(options);
    await second.ready();
    await expectNoQuestion(second);
  },
);

describe('When clients come back after a pause, the first one', () => {
  const HOUR = 60 * 60_000;

  async function pause(
    milliseconds: number,
    freshness: SnapshotOptions['freshness'] = {},
  ): Promise<{ service: SnapshotService; old: ReadArtifact }> {
    const service = await repository.startService({ freshness });
    const old = await read(service, repository.snapshot);
    fakeDate(defer, milliseconds);
    return { service, old };
  }

  test('gets the old snapshot within staleWhileRevalidate', async () => {
    const { service, old } = await pause(23 * HOUR);
    const isRebuilt = rebuilt(service, repository.snapshot);
    const commit = await push(repository.bare);
    expect((await read(service, repository.snapshot)).commit).toBe(old.commit);
    await isRebuilt;
    expect((await read(service, repository.snapshot)).commit).toBe(commit);
  });

  test.each(['get', 'statStored'] as const)('waits for a check after that: %s', async (method) => {
    const { service, old } = await pause(25 * HOUR);
    const questions = repository.upstream.infoRefs(repository.path);
    const answer =
      method === 'get'
        ? await read(service, repository.snapshot)
        : await service.statStored(repository.snapshot, { revalidate: true });
    expect(answer?.etag).toBe(old.etag);
    expect(repository.upstream.infoRefs(repository.path)).toBe(questions + 1);
  });

  test('gets a new snapshot after that, if refs have moved', async () => {
    const { service } = await pause(25 * HOUR);
    const commit = await push(repository.bare);
    expect(await service.statStored(repository.snapshot, { revalidate: true })).toBeUndefined();
    expect((await read(service, repository.snapshot)).commit).toBe(commit);
  });

  test('also gets a new snapshot, without a check, if the last check has found that refs moved', async () => {
    const MINUTE = 60_000;
    const service = await repository.startService({
      freshness: { maxAge: HOUR, staleWhileRevalidate: MINUTE, minRebuildInterval: HOUR },
    });
    const old = await read(service, repository.snapshot);
    const commit = await push(repository.bare);
    const refreshed = next(service, 'fetch done', repository.id);
    fakeDate(defer, MINUTE);
    await service.notifyPush(repository.url);
    await refreshed;
    const questions = repository.upstream.infoRefs(repository.path);
    expect((await read(service, repository.snapshot)).commit).toBe(old.commit);
    fakeDate(defer, MINUTE);
    expect((await read(service, repository.snapshot)).commit).toBe(commit);
    expect(repository.upstream.infoRefs(repository.path)).toBe(questions);
  });

  test('never waits if staleWhileRevalidate is infinite', async () => {
    const { service, old } = await pause(1000 * HOUR, {
      staleWhileRevalidate: Number.POSITIVE_INFINITY,
    });
    await push(repository.bare);
    expect((await read(service, repository.snapshot)).commit).toBe(old.commit);
  });
});

describe('A check of an unchanged repository', () => {
  const asked = () =>
    repository.upstream.requests.filter((request) => request.repository === repository.path);

  async function expectUnchanged(service: SnapshotService, old: ReadArtifact): Promise<void> {
    const before = asked().length;
    const builds = counter(service, 'build started', repository.id);
    const clones = counter(service, 'clone started', repository.id);
    for (let i = 1; i <= 3; i++) {
      expect(await read(service, repository.snapshot)).toEqual({ ...old, source: 'store' });
      expect(await service.refresh(repository.id)).toMatchObject({ etag: old.etag });
      const questions = asked().slice(before);
      expect(questions.map((request) => request.service)).toEqual(
        Array.from({ length: 2 * i }, () => 'info-refs'),
      );
    }
    expect([builds(), clones()]).toEqual([0, 0]);
  }

  test('is one request for info/refs', async () => {
    const service = await strictly();
    await expectUnchanged(service, await read(service, repository.snapshot));
  });

  test('is one request without a mirror', async () => {
    const service = await withoutMirrors();
    const evicted = next(service, 'mirrorEvicted', repository.id);
    const old = await read(service, repository.snapshot);
    await evicted;
    await expectUnchanged(service, old);
  });

  test('is one request for a repository without commits', async () => {
    await makeEmpty();
    const service = await strictly();
    await expectUnchanged(service, await read(service, repository.snapshot));
  });

  test('is one request after a restart', async () => {
    const options = { freshness: STRICT, dataDir: await directory() };
    const first = await repository.startService(options);
    const old = await read(first, repository.snapshot);
    await first.close({ drain: true });
    const service = await repository.startService(options);
    await service.ready();
    await expectUnchanged(service, old);
  });
});

/** Makes the repository one without commits. */
async function makeEmpty(): Promise<void> {
  await rm(repository.bare, { recursive: true });
  await buildEmpty(repository.bare);
}

test('The first commit of a repository is served', async () => {
  await makeEmpty();
  const service = await strictly();
  expect((await read(service, repository.snapshot)).commit).toBeUndefined();
  const commit = await push(repository.bare, { branch: 'trunk' });
  expect((await read(service, repository.snapshot)).commit).toBe(commit);
});

describe('A clock that is set back', () => {
  const HOUR = 60 * 60_000;

  test('while a strict service runs stops none of its checks', async () => {
    const service = await strictly();
    for (let i = 0; i < 2; i++) await read(service, repository.snapshot);
    setDate(defer, -HOUR);
    const commit = await push(repository.bare);
    expect((await read(service, repository.snapshot)).commit).toBe(commit);
  });

  test('before a strict service starts stops none of its checks', async () => {
    const dataDir = await directory();
    const freshness = { staleWhileRevalidate: 0, maxAge: HOUR } as const;
    const first = await repository.startService({ freshness, dataDir });
    await read(first, repository.snapshot);
    await first.close({ drain: true });
    await rm(join(dataDir, 'mirrors'), { recursive: true });
    setDate(defer, -HOUR);
    const service = await repository.startService({ freshness, dataDir });
    const commit = await push(repository.bare);
    expect((await read(service, repository.snapshot)).commit).toBe(commit);
  });

  test.each([
    ['at a request', () => repository.sharedService({ freshness: AT_ONCE })],
    [
      'by itself',
      () =>
        repository.startService({
          freshness: { maxAge: NEVER, checkInterval: 0, refreshInterval: 20 },
        }),
    ],
  ])('stops no check that is made %s in the background', async (_what, start) => {
    const service = await start();
    await read(service, repository.snapshot);
    const refreshed = next(service, 'fetch done', repository.id);
    await read(service, repository.snapshot);
    await refreshed;
    setDate(defer, -HOUR);
    const isRebuilt = rebuilt(service, repository.snapshot);
    const commit = await push(repository.bare);
    await read(service, repository.snapshot);
    await isRebuilt;
    expect((await read(service, repository.snapshot)).commit).toBe(commit);
  });
});

test('maxAge counts from the check of the upstream, not from the time when the snapshot was stored', async () => {
  const maxAge = 60_000;
  const service = await repository.startService({ freshness: { staleWhileRevalidate: 0, maxAge } });
  const gate = repository.upstream.gate(repository.path);
  const cloning = read(service, repository.snapshot);
  await gate.reached;
  fakeDate(defer, maxAge);
  gate.release();
  const old = await cloning;
  const commit = await push(repository.bare);
  expect((await read(service, repository.snapshot)).commit).toBe(commit);
  expect(commit).not.toBe(old.commit);
});

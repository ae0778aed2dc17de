import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { SnapshotOptions, SnapshotService } from '../../lib/index.js';
import { fakeDate, setDate } from '../support/fake-date.js';
import {
  counter,
  type FreshRepository,
  freshRepository,
  next,
  type ReadArtifact,
  read,
} from '../support/fresh-repository.js';
import { git, run } from '../support/run.js';
import { buildEmpty, push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);
const AT_ONCE = { maxAge: 0, checkInterval: 0 } as const;
const STRICT = { ...AT_ONCE, mode: 'strict' } as const;
const NEVER = 0x7fff_ffff;

let repository: FreshRepository;

beforeEach(async () => {
  repository = await freshRepository({ directory, defer });
});

function start(freshness: SnapshotOptions['freshness']): SnapshotService {
  return repository.start({ freshness });
}

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

describe('after', () => {
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
      limits: { maxMirrorBytes: 0 },
      dataDir: await sharedDirectory(),
    });
  });

  test.each(PUSHES)('%s each mode serves what it promises', async (_what, change) => {
    await Promise.all([swr, strict, withoutMirror].map((each) => each.refresh(shared.id)));
    const old = await read(strict, shared.id);
    await change(shared.bare);
    const refs = await refsOfUpstream(shared);
    const renewed = next(swr, 'generationFinished');
    expect((await read(swr, shared.id)).commit).toBe(old.commit);
    const [fresh, other] = await Promise.all(
      [strict, withoutMirror].map((s) => read(s, shared.id)),
    );
    for (const each of [fresh, other]) {
      expect(each?.etag).not.toBe(old.etag);
      expect(each && (await refsOf(each))).toBe(refs);
    }
    await renewed;
    const later = await read(swr, shared.id);
    expect(later.source).toBe('store');
    expect(await refsOf(later)).toBe(refs);
  });
});

test('a deleted default branch is noticed without a mirror', async () => {
  await push(repository.bare, { branch: 'other', files: { 'other.txt': 'other\n' } });
  const service = repository.start({ freshness: STRICT, limits: { maxMirrorBytes: 0 } });
  const evicted = next(service, 'mirrorEvicted');
  await read(service, repository.id);
  await evicted;
  await git(repository.bare, 'update-ref', '-d', 'refs/heads/main');
  const { commit } = await read(service, repository.id);
  expect(commit).toBeUndefined();
});

describe.each([
  ['stale-while-revalidate', { mode: 'stale-while-revalidate', maxAge: NEVER }],
  ['strict', { mode: 'strict', maxAge: NEVER }],
] as const)('within maxAge, %s', (_mode, freshness) => {
  test('does not ask the upstream', async () => {
    const service = start(freshness);
    const old = await read(service, repository.id);
    await push(repository.bare);
    repository.upstream.requests.length = 0;
    for (let i = 0; i < 3; i++) {
      expect(await read(service, repository.id)).toEqual({ ...old, source: 'store' });
      expect((await service.current(repository.id))?.etag).toBe(old.etag);
    }
    await service.close({ running: 'wait' });
    expect(repository.upstream.requests).toEqual([]);
  });

  test('does not ask it either when the service was started anew', async () => {
    const first = start(freshness);
    await read(first, repository.id);
    await first.close({ running: 'wait' });
    repository.upstream.requests.length = 0;
    const second = start(freshness);
    await second.started;
    await read(second, repository.id);
    await second.close({ running: 'wait' });
    expect(repository.upstream.requests).toEqual([]);
  });
});

describe('of what has not changed', () => {
  async function expectUnchanged(service: SnapshotService): Promise<void> {
    const old = await read(service, repository.id);
    if (service.events.listenerCount('mirrorEvicted') > 0) await next(service, 'mirrorEvicted');
    repository.upstream.requests.length = 0;
    const generations = counter(service, 'generationStarted');
    const clones = counter(service, 'cloneStarted');
    for (let i = 1; i <= 3; i++) {
      expect(await read(service, repository.id)).toEqual({ ...old, source: 'store' });
      expect(await service.refresh(repository.id)).toMatchObject({ etag: old.etag });
      expect(repository.upstream.requests.map(({ service: asked }) => asked)).toEqual(
        Array.from({ length: 2 * i }, () => 'info-refs'),
      );
    }
    expect([generations(), clones()]).toEqual([0, 0]);
  }

  test('a check is one info/refs and nothing else', async () => {
    await expectUnchanged(start(STRICT));
  });

  test('the same without a mirror', async () => {
    const service = repository.start({ freshness: STRICT, limits: { maxMirrorBytes: 0 } });
    service.events.on('mirrorEvicted', () => {});
    await expectUnchanged(service);
  });

  test('the same without commits', async () => {
    repository = await freshRepository({ directory, defer }, buildEmpty);
    await expectUnchanged(start(STRICT));
  });

  test('the same when the service was started anew', async () => {
    const first = start(STRICT);
    const old = await read(first, repository.id);
    await first.close({ running: 'wait' });
    const service = start(STRICT);
    await service.started;
    expect(await read(service, repository.id)).toEqual({ ...old, source: 'store' });
    await expectUnchanged(service);
  });
});

test('the first commit of a repository is noticed', async () => {
  repository = await freshRepository({ directory, defer }, buildEmpty);
  const service = start(STRICT);
  expect((await read(service, repository.id)).commit).toBeUndefined();
  const commit = await push(repository.bare, { branch: 'trunk' });
  expect((await read(service, repository.id)).commit).toBe(commit);
});

describe('a clock that is set back stops nothing', () => {
  const HOUR = 60 * 60_000;

  test.each([
    ['while it runs', (service: SnapshotService) => service],
    [
      'before it starts',
      async (service: SnapshotService) => {
        await service.close({ running: 'wait' });
        await rm(join(repository.dataDir, 'mirrors'), { recursive: true });
        return start({ mode: 'strict', maxAge: HOUR });
      },
    ],
  ])('of a strict service, %s', async (_what, goOn) => {
    const first = start(STRICT);
    await read(first, repository.id);
    await read(first, repository.id);
    setDate(defer, -HOUR);
    const service = await goOn(first);
    const commit = await push(repository.bare);
    expect((await read(service, repository.id)).commit).toBe(commit);
  });

  test.each([
    ['at a request', AT_ONCE],
    ['by itself', { maxAge: NEVER, checkInterval: 0, refreshInterval: 20 }],
  ])('that happens %s in the background', async (_what, freshness) => {
    const service = start(freshness);
    await read(service, repository.id);
    const refreshed = next(service, 'refreshed');
    await read(service, repository.id);
    await refreshed;
    setDate(defer, -HOUR);
    const commit = await push(repository.bare);
    const renewed = next(service, 'generationFinished');
    await read(service, repository.id);
    await renewed;
    expect((await read(service, repository.id)).commit).toBe(commit);
  });
});

test('maxAge counts from when the upstream was asked, not from when the snapshot was stored', async () => {
  const maxAge = 60_000;
  const service = start({ mode: 'strict', maxAge });
  const gate = repository.upstream.gate(repository.path);
  const cloning = read(service, repository.id);
  await gate.reached;
  fakeDate(defer, maxAge);
  gate.release();
  const old = await cloning;
  const commit = await push(repository.bare);
  expect((await read(service, repository.id)).commit).toBe(commit);
  expect(commit).not.toBe(old.commit);
});

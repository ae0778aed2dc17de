/**
 * @needs bash curl zstd tar
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { cloneWithGit, extract } from '../support/clone.js';
import { expectSameCheckout } from '../support/compare.js';
import { statusReadsNothing } from '../support/first-status.js';
import { type FreshRepository, freshRepository } from '../support/fresh-repository.js';
import { fsck } from '../support/fsck.js';
import { HOST, type HostApp, leftovers } from '../support/host-app.js';
import { buildKitchenSink } from '../support/kitchen-sink.js';
import { execute, git } from '../support/run.js';
import {
  buildDetached,
  buildEmpty,
  buildLatin1Names,
  push,
} from '../support/small-repositories.js';
import { buildSynthetic } from '../support/synthetic-repository.js';
import { cleanup } from '../support/temporary-directory.js';
import type { UpstreamRequest } from '../support/upstream-request.js';

const shared = cleanup(afterAll);
const { directory } = cleanup(afterEach);

/** The kitchen sink, and others beside it. */
let repository: FreshRepository;
let app: HostApp;

beforeAll(async () => {
  // Its large files are just large enough to be sent in pieces.
  const buildSink = (bare: string) => buildKitchenSink(bare, { largeBytes: 9 << 20 });
  repository = await freshRepository(shared, buildSink, 'org/kitchen-sink');
  await repository.add('org/small');
  await repository.add('org/gtk+');
  await repository.add('org/empty', buildEmpty);
  await repository.add('org/detached', buildDetached);
  await repository.add('org/latin1', buildLatin1Names);
  await repository.add('group/sub/synthetic', (bare) =>
    buildSynthetic(bare, { commits: 200, files: 300, seed: 7 }),
  );
  app = await repository.startApp();
});

async function restored(path: string, from = app): Promise<string> {
  const target = join(await directory(), 'restored');
  await extract(from.snapshotUrl(path), target);
  return target;
}

/** The URL at the upstream. */
function urlOf(path: string): string {
  return `${repository.upstream.url}/${path}`;
}

async function cloned(path: string): Promise<string> {
  const target = join(await directory(), 'cloned');
  await cloneWithGit(`${urlOf(path)}.git`, target);
  return target;
}

describe.each(['org/kitchen-sink', 'org/small', 'org/gtk+', 'org/latin1', 'group/sub/synthetic'])(
  'A snapshot of %s',
  (path) => {
    test('is what git clone gives, and its first git status reads no file', async () => {
      const [snapshot, clone] = [await restored(path), await cloned(path)];
      await expectSameCheckout(snapshot, clone, { originUrl: urlOf(path) });
      expect(await fsck(snapshot)).toEqual(await fsck(clone));
      expect(await git(snapshot, 'status', '--porcelain')).toBe('');
      expect(await statusReadsNothing(snapshot)).toBeGreaterThan(0);
    });

    test('contains nothing of the server', async () => {
      const snapshot = await restored(path);
      const found = await execute('grep', ['-rlF', '-e', app.dataDir, '-e', HOST, '.git'], {
        cwd: snapshot,
      });
      expect(found.stdout).toBe('');
      expect((await execute('test', ['-e', '.git/logs'], { cwd: snapshot })).code).toBe(1);
    });
  },
);

test('A snapshot of an empty repository is what git clone gives', async () => {
  const [snapshot, clone] = [await restored('org/empty'), await cloned('org/empty')];
  await expectSameCheckout(snapshot, clone, { originUrl: urlOf('org/empty') });
});

test('A detached HEAD stays detached', async () => {
  const snapshot = await restored('org/detached');
  const head = await git(join(repository.root, 'org/detached.git'), 'rev-parse', 'HEAD');
  expect(await git(snapshot, 'rev-parse', 'HEAD')).toBe(head);
  expect((await execute('git', ['symbolic-ref', '-q', 'HEAD'], { cwd: snapshot })).code).toBe(1);
  expect(await git(snapshot, 'status', '--porcelain')).toBe('');
});

test('In a restored snapshot, git pulls, collects garbage and runs maintenance as in a clone', async () => {
  const bare = await repository.add('org/moving');
  const snapshot = await restored('org/moving');
  const commit = await push(bare);
  await git(snapshot, 'pull', '--quiet', '--ff-only');
  expect((await git(snapshot, 'rev-parse', 'HEAD')).trim()).toBe(commit.trim());
  await git(snapshot, 'gc', '--quiet');
  await git(snapshot, 'maintenance', 'run');
  expect(await git(snapshot, 'status', '--porcelain')).toBe('');
});

test('The mirror is a bare repository that git accepts and clones', async () => {
  await restored(repository.path);
  const { stdout } = await execute('find', [
    join(app.dataDir, 'mirrors'),
    '-maxdepth',
    '1',
    '-name',
    '*kitchen-sink*',
  ]);
  const mirror = stdout.trim();
  const { bare } = repository;
  expect(await fsck(mirror)).toEqual(await fsck(bare));
  const format = '--format=%(refname) %(objectname) %(*objectname)';
  const refs = ['for-each-ref', format, 'refs/heads', 'refs/tags'];
  expect(await git(mirror, 'for-each-ref', format)).toBe(await git(mirror, ...refs));
  expect(await git(mirror, ...refs)).toBe(await git(bare, ...refs));
  const target = join(await directory(), 'from-mirror');
  await cloneWithGit(mirror, target);
  expect(await git(target, 'rev-parse', 'HEAD')).toBe(await git(bare, 'rev-parse', 'HEAD'));
});

test('Two builds from one mirror have the same bytes and the same ETag', async () => {
  const url = app.snapshotUrl(repository.path);
  const [first, second] = [await download(url), await download(url)];
  // Without this, it might be stored after it was deleted.
  await app.router.service.refresh(repository.id);
  await app.router.service.delete(repository.snapshot);
  const again = await download(url);
  expect(second).toEqual(first);
  expect(again).toEqual(first);
  expect(repository.upstream.requests.filter(isOurs)).toHaveLength(1);
});

test('Without trustFileTimes, a snapshot does not set core.checkStat', async () => {
  const other = await repository.startApp({
    dataDir: await shared.directory(),
    snapshot: { trustFileTimes: false },
  });
  const snapshot = await restored('org/small', other);
  expect((await execute('git', ['config', 'core.checkStat'], { cwd: snapshot })).code).toBe(1);
  expect(await git(snapshot, 'status', '--porcelain')).toBe('');
});

test('A service that has closed leaves nothing unfinished behind', async () => {
  await restored('org/small');
  await app.router.close({ drain: true });
  expect(await leftovers(app.dataDir)).toEqual([]);
});

async function download(url: string): Promise<{ etag: string | null; digest: string }> {
  const response = await fetch(url);
  expect(response.status).toBe(200);
  const digest = createHash('sha256')
    .update(Buffer.from(await response.arrayBuffer()))
    .digest('hex');
  return { etag: response.headers.get('etag'), digest };
}

/** Whether a request for a pack is one of this library, and not of git's own clones. */
function isOurs({ repository: path, service, userAgent = '' }: UpstreamRequest): boolean {
  const isPack = path === repository.path && service === 'upload-pack';
  return isPack && userAgent.includes('express-git-snapshot');
}

/**
 * @needs bash curl zstd tar
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { cloneWithGit, extract } from '../support/clone.js';
import { expectSameCheckout } from '../support/compare.js';
import { statusReadsNothing } from '../support/first-status.js';
import { fsck } from '../support/fsck.js';
import { HOST, type HostApp, leftovers, startHostApp } from '../support/host-app.js';
import { buildKitchenSink } from '../support/kitchen-sink.js';
import { execute, git } from '../support/run.js';
import {
  buildDetached,
  buildEmpty,
  buildLatin1Names,
  buildSmall,
  push,
} from '../support/small-repositories.js';
import { buildSynthetic } from '../support/synthetic-repository.js';
import { cleanup } from '../support/temporary-directory.js';
import { startUpstream, type Upstream } from '../support/upstream.js';
import type { UpstreamRequest } from '../support/upstream-request.js';

const shared = cleanup(afterAll);
const { directory, defer } = cleanup(afterEach);

let root: string;
let upstream: Upstream;
let app: HostApp;

beforeAll(async () => {
  root = await shared.directory();
  await buildKitchenSink(join(root, 'org/kitchen-sink.git'));
  await buildSmall(join(root, 'org/small.git'));
  await buildEmpty(join(root, 'org/empty.git'));
  await buildDetached(join(root, 'org/detached.git'));
  await buildLatin1Names(join(root, 'org/latin1.git'));
  await buildSynthetic(join(root, 'group/sub/synthetic.git'), {
    commits: 200,
    files: 300,
    seed: 7,
  });
  upstream = await startUpstream({ root });
  shared.defer(() => upstream.close());
  app = await startHostApp({ dataDir: await shared.directory(), upstreamUrl: upstream.url });
  shared.defer(() => app.close());
});

async function restored(path: string, from = app): Promise<string> {
  const target = join(await directory(), 'restored');
  await extract(from.snapshotUrl(path), target);
  return target;
}

async function cloned(path: string): Promise<string> {
  const target = join(await directory(), 'cloned');
  await cloneWithGit(`${upstream.url}/${path}.git`, target);
  return target;
}

describe.each(['org/kitchen-sink', 'org/small', 'org/latin1', 'group/sub/synthetic'])(
  'A snapshot of %s',
  (path) => {
    test('is what git clone gives, and its first git status reads no file', async () => {
      const [snapshot, clone] = [await restored(path), await cloned(path)];
      await expectSameCheckout(snapshot, clone, { originUrl: `${upstream.url}/${path}` });
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
  await expectSameCheckout(snapshot, clone, { originUrl: `${upstream.url}/org/empty` });
});

test('A detached HEAD stays detached', async () => {
  const snapshot = await restored('org/detached');
  const head = await git(join(root, 'org/detached.git'), 'rev-parse', 'HEAD');
  expect(await git(snapshot, 'rev-parse', 'HEAD')).toBe(head);
  expect((await execute('git', ['symbolic-ref', '-q', 'HEAD'], { cwd: snapshot })).code).toBe(1);
  expect(await git(snapshot, 'status', '--porcelain')).toBe('');
});

test('In a restored snapshot, git pulls, collects garbage and runs maintenance as in a clone', async () => {
  const bare = join(root, 'org/moving.git');
  await buildSmall(bare);
  const snapshot = await restored('org/moving');
  const commit = await push(bare);
  await git(snapshot, 'pull', '--quiet', '--ff-only');
  expect((await git(snapshot, 'rev-parse', 'HEAD')).trim()).toBe(commit.trim());
  await git(snapshot, 'gc', '--quiet');
  await git(snapshot, 'maintenance', 'run');
  expect(await git(snapshot, 'status', '--porcelain')).toBe('');
});

test('The mirror is a bare repository that git accepts and clones', async () => {
  const path = 'org/kitchen-sink';
  await restored(path);
  const { stdout } = await execute('find', [
    join(app.dataDir, 'mirrors'),
    '-maxdepth',
    '1',
    '-name',
    '*kitchen-sink*',
  ]);
  const mirror = stdout.trim();
  const bare = join(root, 'org/kitchen-sink.git');
  expect(await fsck(mirror)).toEqual(await fsck(bare));
  const format = '--format=%(refname) %(objectname) %(*objectname)';
  const refs = ['for-each-ref', format, 'refs/heads', 'refs/tags'];
  expect(await git(mirror, 'for-each-ref', format)).toBe(await git(mirror, ...refs));
  expect(await git(mirror, ...refs)).toBe(await git(bare, ...refs));
  const target = join(await directory(), 'from-mirror');
  await cloneWithGit(mirror, target);
  expect(await git(target, 'rev-parse', 'HEAD')).toBe(await git(bare, 'rev-parse', 'HEAD'));
});

test('Two generations from one mirror have the same bytes and the same ETag', async () => {
  const url = app.snapshotUrl('org/kitchen-sink');
  const repository = { host: HOST, path: 'org/kitchen-sink' };
  const [first, second] = [await download(url), await download(url)];
  // Else it might be stored after it was deleted.
  await app.router.service.refresh(repository);
  await app.router.service.delete(repository);
  const again = await download(url);
  expect(second).toEqual(first);
  expect(again).toEqual(first);
  expect(upstream.requests.filter(isOurs)).toHaveLength(1);
});

test('Without trustFileTimes, a snapshot does not set core.checkStat', async () => {
  const other = await startHostApp({
    dataDir: await directory(),
    upstreamUrl: upstream.url,
    snapshot: { trustFileTimes: false },
  });
  defer(() => other.close());
  const snapshot = await restored('org/small', other);
  expect((await execute('git', ['config', 'core.checkStat'], { cwd: snapshot })).code).toBe(1);
  expect(await git(snapshot, 'status', '--porcelain')).toBe('');
});

test('A service that has closed leaves nothing unfinished behind', async () => {
  await restored('org/small');
  await app.router.close({ running: 'wait' });
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

/** Requests of this library for a pack, as against those of git's own clones. */
function isOurs({ repository, service, userAgent = '' }: UpstreamRequest): boolean {
  const isPack = repository === 'org/kitchen-sink' && service === 'upload-pack';
  return isPack && userAgent.includes('express-git-snapshot');
}

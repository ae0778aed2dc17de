/** @needs tar */
import {
  appendFile,
  chmod,
  cp,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import {
  type RestoreOptions,
  type RestoreResult,
  restoreSnapshot,
} from '../../lib/client/index.js';
import { temporaryName } from '../../lib/fs/temporary.js';
import { describeTree } from '../client/describe-tree.js';
import { fsck } from '../support/fsck.js';
import { type HostApp, startHostApp } from '../support/host-app.js';
import { type Files, RepositoryBuilder } from '../support/repository-builder.js';
import { git } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';
import { startUpstream } from '../support/upstream.js';

/*
 * restoreSnapshot in a directory that has a checkout already. The server and its upstream are shared
 * by all tests; each test begins with a copy of one restored checkout of an older commit.
 */

const PATH = 'org/repo';
const SUBMODULE = '1'.repeat(40);

const OLD: Files = {
  '.gitattributes': '*.bat text eol=crlf\n*.id ident\n*.u16 text working-tree-encoding=UTF-16LE\n',
  'kept.txt': 'kept\n',
  'edited.txt': 'one\n',
  'run.sh': '#!/bin/sh\n',
  'windows.bat': 'echo 1\n',
  'version.id': '$Id$\n',
  'wide.u16': 'wide\n',
  'old-name.txt': 'renamed\n',
  'deleted/deep/a.txt': 'a\n',
  'deleted/b.txt': 'b\n',
  'becomes-directory': 'a file\n',
  'becomes-file/inside.txt': 'inside\n',
  link: { mode: '120000', content: 'kept.txt' },
  'becomes-link': 'a file\n',
  module: { mode: '160000', content: SUBMODULE },
};

const NEW: Files = {
  'edited.txt': 'two\n',
  'run.sh': { mode: '100755', content: '#!/bin/sh\n' },
  'windows.bat': 'echo 2\necho 3\n',
  'version.id': '$Id$ new\n',
  'wide.u16': 'wider\n',
  'old-name.txt': null,
  'new/name.txt': 'renamed\n',
  deleted: null,
  'becomes-directory': null,
  'becomes-directory/inside.txt': 'inside\n',
  'becomes-file': null,
  link: { mode: '120000', content: 'edited.txt' },
  'becomes-link': { mode: '120000', content: 'nowhere' },
  module: { mode: '160000', content: '2'.repeat(40) },
  'added.txt': 'added\n',
};

const shared = cleanup(afterAll);
const { directory } = cleanup(afterEach);

let app: HostApp;
let bare: string;
let original: string;
/** The upstream's HEAD. */
let newest: string;

beforeAll(async () => {
  const root = await shared.directory();
  bare = join(root, `${PATH}.git`);
  const upstream = await startUpstream({ root });
  shared.defer(() => upstream.close());
  const builder = await RepositoryBuilder.create(bare);
  builder.commit({ files: OLD });
  builder.ref('refs/heads/removed', builder.commit({ branch: 'side', files: { side: '1\n' } }));
  await builder.finish();
  app = await startHostApp({
    upstreamUrl: upstream.url,
    dataDir: await shared.directory(),
    freshness: { staleWhileRevalidate: 0, maxAge: 0, checkInterval: 0 },
  });
  shared.defer(() => app.close());
  original = join(await shared.directory(), 'original');
  await restoreSnapshot({ url: app.snapshotUrl(PATH), directory: original });
  const later = await RepositoryBuilder.open(bare);
  const before = await git(bare, 'rev-parse', 'main');
  const head = later.commit({ files: NEW, parents: [before] });
  later.commit({ files: { 'becomes-file': 'a file\n' }, parents: [head] });
  later.tag('v2', head);
  later.commit({ branch: 'added/branch', files: { branch: '1\n' }, parents: [head] });
  await later.finish();
  await git(bare, 'update-ref', '-d', 'refs/heads/removed');
  newest = await git(bare, 'rev-parse', 'main');
});

async function copy(from = original): Promise<string> {
  const to = join(await directory(), 'checkout');
  await cp(from, to, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
  return to;
}

function update(checkout: string, options: Partial<RestoreOptions> = {}): Promise<RestoreResult> {
  const url = app.snapshotUrl(PATH);
  return restoreSnapshot({ url, directory: checkout, retryTimeout: 0, ...options });
}

/** All that git and a user see of a checkout. */
async function seen(checkout: string): Promise<Record<string, unknown>> {
  const files = (await describeTree(checkout))
    .filter((line) => !line.startsWith('"./.git'))
    .map((line) => line.replace(/^("[^"]*" \d+ \d+) [\d.]+/, '$1'));
  return {
    files,
    index: await git(checkout, 'ls-files', '--stage'),
    refs: await git(checkout, 'for-each-ref'),
    head: await git(checkout, 'symbolic-ref', 'HEAD'),
    status: await git(checkout, 'status', '--porcelain'),
    log: await git(checkout, 'log', '--oneline'),
    fsck: await fsck(checkout),
  };
}

/** What a failed update leaves as it was: everything but packs and remote-tracking branches. */
async function unmoved(checkout: string): Promise<string[]> {
  const lines = await describeTree(checkout);
  const isLeft = /^"\.\/\.git(?:\/(?:objects|refs\/remotes|packed-refs).*)?"/;
  return lines.filter((line) => !isLeft.test(line) && !line.startsWith('"./.git/refs" '));
}

/** As `restoreSnapshot` with a bundle: no other branches and no tags. */
async function fetchMain(checkout: string): Promise<void> {
  await git(checkout, 'fetch', '--quiet', '--no-tags', 'origin', 'main');
}

describe('A checkout becomes what git pull makes of it', () => {
  test('by a bundle', async () => {
    const [checkout, twin] = [await copy(), await copy()];
    const result = await update(checkout);
    expect(result).toMatchObject({ outcome: 'updated', commit: newest, verified: true });
    expect(result.receivedBytes).toBeLessThan(3000);
    await fetchMain(twin);
    await git(twin, 'merge', '--quiet', '--ff-only', 'origin/main');
    expect(await seen(checkout)).toEqual(await seen(twin));
    const again = await update(checkout);
    expect(again).toMatchObject({ outcome: 'unchanged', commit: newest, receivedBytes: 0 });
  });

  test('by a snapshot, with all branches and tags', async () => {
    const [checkout, twin] = [await copy(), await copy()];
    const url = `${app.snapshotUrl(PATH)}?ref=main`;
    expect(await update(checkout, { url })).toMatchObject({ outcome: 'updated', commit: newest });
    await git(twin, 'pull', '--quiet', '--ff-only');
    expect(await seen(checkout)).toEqual(await seen(twin));
  });

  test('with local changes that the update does not touch', async () => {
    const [checkout, twin] = [await copy(), await copy()];
    for (const one of [checkout, twin]) {
      await writeFile(join(one, 'kept.txt'), 'mine\n');
      await writeFile(join(one, 'staged.txt'), 'staged\n');
      await git(one, 'add', 'staged.txt');
      await writeFile(join(one, 'staged.txt'), 'staged, then changed\n');
      await writeFile(join(one, 'added.txt'), 'added\n');
      await git(one, 'add', 'added.txt'); // as the update has it
      await writeFile(join(one, 'untracked.txt'), 'untracked\n');
      await writeFile(join(one, 'deleted/untracked.txt'), 'untracked\n');
      await writeFile(join(one, 'edited.txt'), 'one\n'); // another time
      await rm(join(one, 'run.sh'));
      await mkdir(join(one, 'new/name.txt/empty'), { recursive: true });
    }
    await update(checkout);
    await fetchMain(twin);
    await git(twin, 'merge', '--quiet', '--ff-only', 'origin/main');
    const result = await seen(checkout);
    expect(result).toEqual({ ...(await seen(twin)), status: result.status });
    expect(String(result.status).split('\n').sort()).toEqual(
      [' M kept.txt', 'AM staged.txt', '?? deleted/', '?? untracked.txt'].sort(),
    );
  });

  test('after work of git: loose objects, another version of the index, packed refs', async () => {
    const [checkout, twin] = [await copy(), await copy()];
    for (const one of [checkout, twin]) {
      await git(one, 'pull', '--quiet', '--ff-only');
      await git(one, 'reset', '--quiet', '--hard', 'HEAD~1');
      await git(one, 'update-index', '--index-version', '4');
      await git(one, 'pack-refs', '--all');
    }
    expect(await update(checkout)).toMatchObject({ outcome: 'updated', receivedBytes: 0 });
    await git(twin, 'merge', '--quiet', '--ff-only', 'origin/main');
    expect(await seen(checkout)).toEqual(await seen(twin));
  });

  test('with core.autocrlf and .git/info/attributes', async () => {
    const [checkout, twin] = [await copy(), await copy()];
    for (const one of [checkout, twin]) {
      await git(one, 'config', 'core.autocrlf', 'true');
      await writeFile(join(one, '.git/info/attributes'), 'new/* -text\n');
    }
    await update(checkout);
    await fetchMain(twin);
    await git(twin, 'merge', '--quiet', '--ff-only', 'origin/main');
    expect(await seen(checkout)).toEqual(await seen(twin));
    expect(await readFile(join(checkout, 'edited.txt'), 'utf8')).toBe('two\r\n');
    expect(await readFile(join(checkout, 'new/name.txt'), 'utf8')).toBe('renamed\n');
  });
});

describe('An update that would overwrite local changes fails, and changes no file', () => {
  test.each<[string, string[], (checkout: string) => Promise<unknown>]>([
    ['a changed file', ['edited.txt'], (c) => writeFile(join(c, 'edited.txt'), 'mine\n')],
    ['a change of one byte', ['edited.txt'], (c) => writeFile(join(c, 'edited.txt'), 'onE\n')],
    ['a converted file', ['windows.bat'], (c) => writeFile(join(c, 'windows.bat'), 'echo 0\r\n')],
    ['another mode', ['edited.txt'], (c) => chmod(join(c, 'edited.txt'), 0o755)],
    [
      'a changed file that is deleted',
      ['deleted/b.txt'],
      (c) => writeFile(join(c, 'deleted/b.txt'), 'B\n'),
    ],
    [
      'a staged change',
      ['edited.txt'],
      async (c) => {
        await writeFile(join(c, 'edited.txt'), 'mine\n');
        await git(c, 'add', 'edited.txt');
      },
    ],
    ['a staged removal', ['edited.txt'], (c) => git(c, 'rm', '--quiet', 'edited.txt')],
    ['an untracked file', ['added.txt'], (c) => writeFile(join(c, 'added.txt'), 'mine\n')],
    [
      'an untracked file where a directory goes',
      ['new'],
      (c) => writeFile(join(c, 'new'), 'mine\n'),
    ],
    [
      'untracked files where a file goes',
      ['becomes-file/mine.txt'],
      (c) => writeFile(join(c, 'becomes-file/mine.txt'), 'mine\n'),
    ],
    [
      'several',
      ['"added.txt", "edited.txt"'],
      async (c) => {
        await writeFile(join(c, 'added.txt'), 'mine\n');
        await writeFile(join(c, 'edited.txt'), 'mine\n');
      },
    ],
  ])('such as %s', async (_, paths, change) => {
    const checkout = await copy();
    await change(checkout);
    const before = await unmoved(checkout);
    const error = await update(checkout).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'LOCAL_CHANGES', isTransient: false });
    for (const path of paths) expect(String(error)).toContain(path);
    expect(await unmoved(checkout)).toEqual(before);
  });
});

describe('A commit is never lost', () => {
  const mine = async (checkout: string) => {
    await writeFile(join(checkout, 'kept.txt'), 'mine\n');
    await git(checkout, 'commit', '--quiet', '-am', 'mine');
  };

  test('of a branch that has diverged: the update fails', async () => {
    const checkout = await copy();
    await mine(checkout);
    const before = await unmoved(checkout);
    await expect(update(checkout)).rejects.toMatchObject({ code: 'DIVERGED' });
    expect(await unmoved(checkout)).toEqual(before);
  });

  test('of a branch that is ahead: the checkout stays', async () => {
    const checkout = await copy();
    await update(checkout);
    await mine(checkout);
    const commit = await git(checkout, 'rev-parse', 'HEAD');
    expect(await update(checkout)).toMatchObject({ outcome: 'unchanged', commit });
  });

  test('of a detached HEAD: the update fails unless a branch has it', async () => {
    const checkout = await copy();
    await git(checkout, 'checkout', '--quiet', '--detach');
    await mine(checkout);
    await expect(update(checkout)).rejects.toMatchObject({ code: 'DIVERGED' });
    await git(checkout, 'branch', 'saved');
    expect(await update(checkout)).toMatchObject({ outcome: 'updated', commit: newest });
    expect(await seen(checkout)).toMatchObject({ head: 'refs/heads/main', status: '', fsck: [] });
  });
});

test('HEAD goes where the snapshot has it, and the branch that was checked out stays', async () => {
  const checkout = await copy();
  const old = await git(checkout, 'rev-parse', 'HEAD');
  const url = (ref: string) => `${app.snapshotUrl(PATH)}?ref=${encodeURIComponent(ref)}`;
  await update(checkout, { url: url('added/branch') });
  expect(await git(checkout, 'status', '-sb')).toBe('## added/branch...origin/added/branch');
  expect(await readFile(join(checkout, 'branch'), 'utf8')).toBe('1\n');
  const tagged = await update(checkout, { url: url('v2') });
  expect(tagged.commit).toBe(await git(checkout, 'rev-parse', 'v2^{commit}'));
  expect(await git(checkout, 'status', '-sb')).toBe('## HEAD (no branch)');
  expect(await git(checkout, 'rev-parse', 'main')).toBe(old);
  expect(await fsck(checkout)).toEqual([]);
});

describe('An update refuses', () => {
  test.each<[string, string, (gitDirectory: string) => Promise<unknown>]>([
    [
      'a worktree',
      'CHECKOUT_UNSUPPORTED',
      async (g) => {
        await rename(g, `${g}-elsewhere`);
        await writeFile(g, `gitdir: ${g}-elsewhere\n`);
      },
    ],
    [
      'a bare repository',
      'CHECKOUT_UNSUPPORTED',
      (g) => appendFile(join(g, 'config'), '[core]\nbare\n'),
    ],
    [
      'a sparse checkout',
      'CHECKOUT_UNSUPPORTED',
      (g) => appendFile(join(g, 'config'), '[core]\nsparseCheckout = yes\n'),
    ],
    [
      'another format',
      'CHECKOUT_UNSUPPORTED',
      (g) => appendFile(join(g, 'config'), '[extensions]\nrefStorage = reftable\n'),
    ],
    [
      'another repository',
      'CHECKOUT_UNSUPPORTED',
      (g) =>
        appendFile(join(g, 'config'), '[remote "origin"] url = https://github.com/a/b # mine\n'),
    ],
    [
      'a split index',
      'CHECKOUT_UNSUPPORTED',
      (g) => git(join(g, '..'), 'update-index', '--split-index'),
    ],
    [
      'a damaged index',
      'CHECKOUT_UNSUPPORTED',
      (g) => writeFile(join(g, 'index'), 'DIRC'.padEnd(99)),
    ],
    ['a rebase in progress', 'CHECKOUT_UNSUPPORTED', (g) => mkdir(join(g, 'rebase-merge'))],
    [
      'a merge in progress',
      'LOCAL_CHANGES',
      (g) => writeFile(join(g, 'MERGE_HEAD'), `${newest}\n`),
    ],
    [
      'a checkout in which git is running',
      'CHECKOUT_LOCKED',
      (g) => writeFile(join(g, 'index.lock'), ''),
    ],
  ])('%s', async (_, code, change) => {
    const checkout = await copy();
    await change(join(checkout, '.git'));
    const before = await unmoved(checkout);
    await expect(update(checkout)).rejects.toMatchObject({ code });
    expect(await unmoved(checkout)).toEqual(before);
  });
});

test('An update completes what a killed one has begun', async () => {
  const [checkout, twin] = [await copy(), await copy()];
  await update(twin);
  // A process of another start of this machine has renamed some files, and was killed.
  const owner = temporaryName('restore').replace(/~\d+~\d+~/, `~${process.pid}~1~`);
  await mkdir(join(checkout, '.git', owner, 'files'), { recursive: true });
  await writeFile(join(checkout, '.git/index.lock'), owner);
  await rm(join(checkout, 'deleted'), { recursive: true });
  for (const name of ['edited.txt', 'windows.bat', 'added.txt']) {
    await cp(join(twin, name), join(checkout, name));
  }
  await update(checkout);
  expect(await seen(checkout)).toEqual(await seen(twin));
  expect((await readdir(join(checkout, '.git'))).filter((name) => /lock|tmp/.test(name))).toEqual(
    [],
  );
});

describe('With force', () => {
  test('a checkout becomes what git reset --hard makes of it', async () => {
    const [checkout, twin] = [await copy(), await copy()];
    for (const one of [checkout, twin]) {
      await writeFile(join(one, 'kept.txt'), 'mine\n');
      await git(one, 'commit', '--quiet', '-am', 'mine');
      await writeFile(join(one, 'edited.txt'), 'mine\n');
      await writeFile(join(one, 'added.txt'), 'mine\n');
      await writeFile(join(one, 'staged.txt'), 'staged\n');
      await git(one, 'add', 'staged.txt');
      await writeFile(join(one, 'becomes-file/mine.txt'), 'mine\n');
      await writeFile(join(one, 'untracked.txt'), 'untracked\n');
      await rm(join(one, 'run.sh'));
    }
    await expect(update(checkout)).rejects.toMatchObject({ code: 'DIVERGED' });
    const result = await update(checkout, { force: true });
    expect(result).toMatchObject({ outcome: 'updated', commit: newest });
    await fetchMain(twin);
    await git(twin, 'reset', '--quiet', '--hard', 'origin/main');
    expect(await seen(checkout)).toEqual(await seen(twin));
    expect(await git(checkout, 'log', '-1', '--format=%s', 'HEAD@{1}')).toBe('mine');
    expect(await update(checkout, { force: true })).toMatchObject({
      outcome: 'unchanged',
      files: 0,
    });
  });
});

/** @needs tar */
import {
  appendFile,
  chmod,
  cp,
  link,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import {
  type RestoreOptions,
  type RestoreResult,
  restoreSnapshot,
} from '../../lib/client/index.js';
import { temporaryName } from '../../lib/fs/temporary.js';
import { serve } from '../client/archive-server.js';
import { describeTree } from '../client/describe-tree.js';
import { FOREVER } from '../support/bundle-client.js';
import { fsck } from '../support/fsck.js';
import { HOST, type HostApp, startHostApp } from '../support/host-app.js';
import { ObjectList } from '../support/object-list.js';
import { type Files, RepositoryBuilder } from '../support/repository-builder.js';
import { git, runBinary } from '../support/run.js';
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
  'readme.txt': 'one\n',
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
  'readme.txt': null,
  'README.txt': 'two\n',
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
const { directory, defer } = cleanup(afterEach);

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
    freshness: { maxAge: FOREVER, checkInterval: 0 },
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
  await app.router.service.refresh({ host: HOST, path: PATH });
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
    head: await readFile(join(checkout, '.git/HEAD'), 'utf8'),
    status: await git(checkout, 'status', '--porcelain'),
    fsck: await fsck(checkout),
  };
}

/** The state that a failed update must not change: all but packs and remote-tracking branches. */
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

  test('also if its origin is written in other letters, as a host that ignores case allows', async () => {
    const checkout = await copy();
    const url = await git(checkout, 'remote', 'get-url', 'origin');
    await git(checkout, 'remote', 'set-url', 'origin', url.replace(PATH, 'Org/Repo'));
    const result = await update(checkout);
    expect(result).toMatchObject({ outcome: 'updated', commit: newest });
    expect(result.receivedBytes).toBeLessThan(3000);
    const byRef = await update(checkout, { url: `${app.snapshotUrl(PATH)}?ref=main` });
    expect(byRef).toMatchObject({ outcome: 'unchanged', commit: newest });
  });

  describe('where case is ignored and a name changes its case', () => {
    /** Here, a hard link makes two names one file. */
    async function ignoringCase(): Promise<string> {
      const checkout = await copy();
      await git(checkout, 'config', 'core.ignorecase', 'true');
      await link(join(checkout, 'readme.txt'), join(checkout, 'README.txt'));
      return checkout;
    }

    test('with the new file', async () => {
      const checkout = await ignoringCase();
      expect(await update(checkout)).toMatchObject({ outcome: 'updated', commit: newest });
      expect(await readFile(join(checkout, 'README.txt'), 'utf8')).toBe('two\n');
      expect(await git(checkout, 'status', '--porcelain')).toBe('');
    });

    test('unless the file was changed', async () => {
      const checkout = await ignoringCase();
      await writeFile(join(checkout, 'readme.txt'), 'mine\n');
      await expect(update(checkout)).rejects.toMatchObject({ code: 'LOCAL_CHANGES' });
    });

    test('unless the other name is a file of its own after all', async () => {
      const checkout = await ignoringCase();
      await rm(join(checkout, 'README.txt'));
      await writeFile(join(checkout, 'README.txt'), 'one\n');
      await expect(update(checkout)).rejects.toMatchObject({ code: 'LOCAL_CHANGES' });
    });
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

  test('after work of git, with settings and attributes of its own', async () => {
    const [checkout, twin] = [await copy(), await copy()];
    for (const one of [checkout, twin]) {
      await git(one, 'pull', '--quiet', '--ff-only'); // the new objects are loose
      await git(one, 'config', 'core.autocrlf', 'true');
      await writeFile(join(one, '.git/info/attributes'), 'new/* -text\n');
      await git(one, 'reset', '--quiet', '--hard', 'HEAD~2');
      await git(one, 'update-index', '--index-version', '4');
      await git(one, 'pack-refs', '--all');
    }
    expect(await update(checkout)).toMatchObject({ outcome: 'updated', receivedBytes: 0 });
    await git(twin, 'merge', '--quiet', '--ff-only', 'origin/main');
    expect(await seen(checkout)).toEqual(await seen(twin));
    expect(await readFile(join(checkout, 'edited.txt'), 'utf8')).toBe('two\r\n');
    expect(await readFile(join(checkout, 'new/name.txt'), 'utf8')).toBe('renamed\n');
  });
});

describe('An update that would overwrite local changes fails, and changes no file', () => {
  async function expectRefused(checkout: string, paths: readonly string[]): Promise<void> {
    const before = await unmoved(checkout);
    const shown = paths.map((path) => `"${path}"`).join(', ');
    await expect(update(checkout)).rejects.toMatchObject({
      code: 'LOCAL_CHANGES',
      message: expect.stringContaining(`local changes in ${shown}; nothing`),
    });
    expect(await unmoved(checkout)).toEqual(before);
  }

  test('in changed files, and untracked ones that are in the way', async () => {
    const checkout = await copy();
    const write = (path: string, content: string) => writeFile(join(checkout, path), content);
    await write('edited.txt', 'onE\n'); // of the same size
    await write('windows.bat', 'echo 0\r\n');
    await write('deleted/b.txt', 'B\n');
    await write('added.txt', 'mine\n');
    await write('becomes-file/mine.txt', 'mine\n');
    const paths = ['added.txt', 'becomes-file/mine.txt', 'deleted/b.txt', 'edited.txt'];
    await expectRefused(checkout, [...paths, 'windows.bat']);
  });

  test('in staged changes, modes, links, and a file in the place of a directory', async () => {
    const checkout = await copy();
    await writeFile(join(checkout, 'edited.txt'), 'mine\n');
    await git(checkout, 'add', 'edited.txt');
    await git(checkout, 'rm', '--quiet', 'version.id');
    await chmod(join(checkout, 'wide.u16'), 0o755);
    await rm(join(checkout, 'link'));
    await symlink('mine', join(checkout, 'link'));
    await writeFile(join(checkout, 'new'), 'mine\n');
    await expectRefused(checkout, ['edited.txt', 'link', 'new', 'version.id', 'wide.u16']);
  });

  test('behind a symlink that takes the place of a directory', async () => {
    const [checkout, outside] = [await copy(), await directory()];
    await rename(join(checkout, 'becomes-file'), join(outside, 'becomes-file'));
    await symlink(join(outside, 'becomes-file'), join(checkout, 'becomes-file'));
    await expectRefused(checkout, ['becomes-file']);
    await update(checkout, { force: true });
    expect(await readFile(join(checkout, 'becomes-file'), 'utf8')).toBe('a file\n');
    expect(await readdir(join(outside, 'becomes-file'))).toEqual(['inside.txt']);
  });
});

describe('A commit is never lost', () => {
  const mine = async (checkout: string) => {
    await writeFile(join(checkout, 'kept.txt'), 'mine\n');
    await git(checkout, 'commit', '--quiet', '-am', 'mine');
  };

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
    expect(await seen(checkout)).toMatchObject({
      head: 'ref: refs/heads/main\n',
      status: '',
      fsck: [],
    });
  });
});

describe('Another server', () => {
  /** Serves these bytes as the bundle. */
  async function serveBundle(bundle: Buffer): Promise<string> {
    return await serve({ defer }, (req, res) => {
      expect(req.url).toMatch(/^\/git\/github\.com\/a\/repo\/snapshot\.bundle\?base=[0-9a-f]{40}$/);
      res.end(bundle);
    }).then((url) => url.replace('/b/', '/repo/'));
  }

  const bundleOfGit = async () => {
    const base = await git(original, 'rev-parse', 'HEAD');
    return runBinary('git', ['bundle', 'create', '--quiet', '-', `${base}..main`], { cwd: bare });
  };

  test('may send a bundle that git made, with deltas whose bases the checkout has', async () => {
    const checkout = await copy();
    const url = await serveBundle(await bundleOfGit());
    expect(await update(checkout, { url })).toMatchObject({ outcome: 'updated', commit: newest });
    expect(await seen(checkout)).toMatchObject({ status: '', fsck: [] });
  });

  test.each<[string, (bundle: Buffer) => Buffer | Promise<Buffer>]>([
    ['has a flipped bit', (bundle) => flipBit(bundle, bundle.length - 40)],
    [
      'names its branch ../../config',
      (bundle) => replaced(bundle, 'refs/heads/main', 'refs/heads/../x'),
    ],
    [
      'needs a commit that is missing',
      (bundle) => replaced(bundle, /-[0-9a-f]{40}/, `-${'a'.repeat(40)}`),
    ],
    [
      'lacks objects',
      () =>
        runBinary('git', ['bundle', 'create', '--quiet', '-', 'main~1..main'], { cwd: bare }).then(
          (b) => replaced(b, /-[0-9a-f]{40}.*\n/, ''),
        ),
    ],
  ])('may send a bundle that %s: nothing changes', async (_, damage) => {
    const checkout = await copy();
    const url = await serveBundle(await damage(await bundleOfGit()));
    const before = await describeTree(join(checkout, '.git'));
    const failing = expect(update(checkout, { url })).rejects;
    await failing.toMatchObject({ code: 'ARCHIVE_INVALID' });
    const isTime = / 40000 /;
    const after = await describeTree(join(checkout, '.git'));
    expect(after.filter((line) => !isTime.test(line))).toEqual(
      before.filter((line) => !isTime.test(line)),
    );
  });

  test.each([
    ['a fast-forward', false],
    ['a forced update', true],
  ])('may send a few trees that stand for many directories: %s is refused', async (_, force) => {
    const checkout = await copy();
    const base = await git(checkout, 'rev-parse', 'HEAD');
    const objects = new ObjectList();
    let tree = objects.tree();
    for (let level = 0; level < 4; level++) {
      tree = objects.tree(
        ...Array.from({ length: 10 }, (_, i): [string, string, string] => ['40000', `${i}`, tree]),
      );
    }
    const head = objects.commit(tree, base);
    const header = `# v2 git bundle\n-${base} base\n${head} refs/heads/main\n\n`;
    const url = await serveBundle(Buffer.concat([Buffer.from(header), objects.pack(head).pack]));
    const before = await seen(checkout);
    const failing = expect(update(checkout, { url, force, maxEntries: 1000 })).rejects;
    await failing.toMatchObject({ code: 'LIMIT_EXCEEDED', limit: 'maxEntries' });
    expect((await seen(checkout)).files).toEqual(before.files);
  });

  function flipBit(bytes: Buffer, at: number): Buffer {
    const flipped = Buffer.from(bytes);
    flipped.writeUInt8(flipped.readUInt8(at) ^ 1, at);
    return flipped;
  }

  function replaced(bytes: Buffer, text: string | RegExp, by: string): Buffer {
    return Buffer.from(bytes.toString('latin1').replace(text, by), 'latin1');
  }
});

describe('After a forced push', () => {
  /** Moves the upstream's branch, and back after the test. */
  async function forcePush(to: string): Promise<void> {
    const move = async (commit: string) => {
      await git(bare, 'update-ref', 'refs/heads/main', commit);
      await app.router.service.refresh({ host: HOST, path: PATH });
    };
    defer(() => move(newest));
    await move(to);
  }

  test('only force moves the branch, also to an older commit, to which no bundle leads', async () => {
    const checkout = await copy();
    await update(checkout);
    const [side, older] = [
      await git(bare, 'rev-parse', 'added/branch'),
      await git(bare, 'rev-parse', 'v2~1'),
    ];
    await forcePush(side);
    await expect(update(checkout)).rejects.toMatchObject({ code: 'DIVERGED' });
    expect(await update(checkout, { force: true })).toMatchObject({ commit: side });
    await forcePush(older);
    expect(await update(checkout)).toMatchObject({ outcome: 'unchanged', commit: side });
    expect(await git(checkout, 'rev-parse', 'origin/main')).toBe(older);
    expect(await update(checkout, { force: true })).toMatchObject({ commit: older });
    expect(await seen(checkout)).toMatchObject({ status: '', fsck: [] });
  });
});

test('A shallow checkout is updated by force, and becomes whole by a whole snapshot', async () => {
  const checkout = join(await directory(), 'checkout');
  const old = await git(bare, 'rev-parse', 'main~2');
  await update(checkout, { url: `${app.snapshotUrl(PATH)}?ref=${old}&depth=1` });
  const url = `${app.snapshotUrl(PATH)}?ref=main&depth=1`;
  expect(await update(checkout, { url, force: true })).toMatchObject({ commit: newest });
  expect(await git(checkout, 'rev-list', '--count', 'HEAD')).toBe('1');
  expect(await fsck(checkout)).toEqual([]);
  await update(checkout);
  expect(await git(checkout, 'rev-list', '--count', 'HEAD')).toBe('3');
  expect(await git(checkout, 'rev-parse', '--is-shallow-repository')).toBe('false');
  expect(await seen(checkout)).toMatchObject({ status: '', fsck: [] });
});

test('A checkout without commits gets its first one', async () => {
  const path = 'org/empty';
  const empty = join(bare, '../empty.git');
  await git('.', 'init', '--quiet', '--bare', '--initial-branch=main', empty);
  const [checkout, url] = [join(await directory(), 'checkout'), app.snapshotUrl(path)];
  await restoreSnapshot({ url, directory: checkout });
  expect(await update(checkout, { url })).toMatchObject({
    outcome: 'unchanged',
    commit: undefined,
  });
  await git(bare, 'push', '--quiet', empty, 'main');
  await app.router.service.refresh({ host: HOST, path });
  expect(await update(checkout, { url })).toMatchObject({ outcome: 'updated', commit: newest });
  expect(await seen(checkout)).toMatchObject({ status: '', fsck: [] });
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
    [
      'a branch that is checked out in another worktree',
      'CHECKOUT_UNSUPPORTED',
      async (g) => {
        await mkdir(join(g, 'worktrees/other'), { recursive: true });
        await writeFile(join(g, 'worktrees/other/HEAD'), 'ref: refs/heads/main\n');
      },
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

test('An abort ends an update that waits for a promise of onProgress', async () => {
  const aborter = new AbortController();
  const reason = new Error('the user left');
  const onProgress = () => {
    aborter.abort(reason);
    return new Promise<void>(() => {});
  };
  const updating = update(await copy(), { signal: aborter.signal, onProgress });
  await expect(updating).rejects.toBe(reason);
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
    const before = await unmoved(checkout);
    await expect(update(checkout)).rejects.toMatchObject({ code: 'DIVERGED' });
    expect(await unmoved(checkout)).toEqual(before);
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

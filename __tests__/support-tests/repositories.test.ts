/** @one-node-version */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cloneWithGit } from '../support/clone.js';
import { fsck } from '../support/fsck.js';
import { buildKitchenSink } from '../support/kitchen-sink.js';
import { git, run } from '../support/run.js';
import {
  buildDetached,
  buildEmpty,
  buildLatin1Names,
  buildSmall,
  push,
} from '../support/small-repositories.js';
import { snapshotTree, type TreeEntry } from '../support/snapshot-tree.js';
import { buildSynthetic } from '../support/synthetic-repository.js';
import { cleanup } from '../support/temporary-directory.js';
import { startUpstream } from '../support/upstream.js';

const { directory, defer } = cleanup(afterEach);

describe('The kitchen sink', () => {
  const shared = cleanup(afterAll);
  let bare: string;
  let clone: string;
  let files: Map<string, TreeEntry>;

  beforeAll(async () => {
    const root = await shared.directory();
    [bare, clone] = [join(root, 'sink.git'), join(root, 'clone')];
    await buildKitchenSink(bare);
    const upstream = await startUpstream({ root });
    shared.defer(() => upstream.close());
    await cloneWithGit(`${upstream.url}/sink`, clone);
    files = await snapshotTree(clone);
  });

  test('is valid, and in one pack', async () => {
    expect(await fsck(bare)).toEqual([]);
    expect(await git(bare, 'count-objects', '-v')).toMatch(/^count: 0$[\s\S]*^packs: 1$/m);
  });

  test('is checked out without a change in git status', async () => {
    // With new times git has to compare each file: what the attributes made of it must round-trip.
    await run('sh', ['-c', 'git ls-files -z | xargs -0 touch -h --'], { cwd: clone });
    expect(await git(clone, 'status', '--porcelain')).toBe('');
  });

  test('has the files that it is for', async () => {
    const paths = [...files.keys()];
    const links = [...files.values()].flatMap(({ linkTarget = [] }) => linkTarget);
    expect(paths.some((path) => Buffer.byteLength(path) > 300)).toBe(true);
    expect(links.some((target) => target.length > 100)).toBe(true);
    expect(files.get('bin/tool.sh')?.mode).toBe(0o755);
    expect(files.get('vendor/module')?.type).toBe('directory');
    expect(files.get('large/noise.dat')?.size).toBe(20 << 20);
    expect(files.has('names/caf\u00e9-nfc.txt') && files.has('names/cafe\u0301-nfd.txt')).toBe(
      true,
    );
    const read = (name: string) => readFile(join(clone, 'attributes', name));
    expect(String(await read('windows.crlf'))).toBe('one\r\ntwo\r\nthree\r\n');
    expect(String(await read('text.auto-crlf'))).toBe('one\r\ntwo\r\n');
    expect(String(await read('mixed.auto-crlf'))).toBe('one\r\ntwo\nthree\r\n');
    expect(String(await read('ident.id'))).toMatch(/\$Id: [0-9a-f]{40} \$/);
    expect((await read('encoded.utf16le-bom')).subarray(0, 4)).toEqual(
      Buffer.from('\ufeffG', 'utf16le'),
    );
    expect(String(await read('start.bat'))).toContain('\r\n');
    expect(String(await read('nested/overridden.txt'))).toBe('one\ntwo\n');
    expect(String(await read('nested/plain.both'))).toBe('one\ntwo\n');
    expect(String(await read('nested/lf/by-grandparent.c'))).toBe('one\r\ntwo\r\n');
    expect(String(await read('nested/macro.off'))).toBe('one\r\ntwo\r\n');
  });

  test('has refs of every kind', async () => {
    const format = '--format=%(refname:lstrip=2) %(objecttype) %(*objecttype)';
    expect(await git(bare, 'symbolic-ref', 'HEAD')).toBe('refs/heads/trunk');
    expect((await git(bare, 'for-each-ref', format, 'refs/tags')).split('\n')).toEqual([
      'a-blob blob ',
      'a-tree tree ',
      'annotated-blob tag blob',
      'annotated-tree tag tree',
      'lightweight commit ',
      'nested tag tag',
      'nested-twice tag tag',
      'on-no-branch commit ',
      'release/2.0 tag commit',
      'v1.0 tag commit',
      'v2.0 tag commit',
    ]);
    expect(await git(bare, 'rev-list', '--count', '--min-parents=3', 'trunk')).toBe('1');
    expect(await git(clone, 'branch', '-r')).toContain('origin/feature/a/b');
  });

  test('is the same each time', async () => {
    const [one, two] = [await directory(), await directory()];
    for (const again of [one, two]) await buildKitchenSink(again, { largeBytes: 1000 });
    expect(await git(one, 'for-each-ref')).toBe(await git(two, 'for-each-ref'));
  });
});

test('A synthetic repository has the wanted size and deltas, and is the same for the same seed', async () => {
  const [one, two, other] = [await directory(), await directory(), await directory()];
  await buildSynthetic(one, { commits: 1000, files: 100, seed: 7, bitmaps: true });
  await buildSynthetic(two, { commits: 1000, files: 100, seed: 7, repack: false });
  await buildSynthetic(other, { commits: 10, files: 100, seed: 8 });
  const head = (repository: string) => git(repository, 'rev-parse', 'HEAD');
  expect(await head(one)).toBe(await head(two));
  expect(await head(one)).not.toBe(await head(other));
  expect(await git(one, 'ls-tree', '-r', '--name-only', 'HEAD')).toHaveLength(
    (await git(other, 'ls-tree', '-r', '--name-only', 'HEAD')).length,
  );
  expect(Number(await git(one, 'rev-list', '--all', '--objects', '--count'))).toBeGreaterThan(4000);
  expect(await git(one, 'verify-pack', '-s', join('objects/pack', await packName(one)))).toMatch(
    /chain length = 10:/,
  );
});

async function packName(repository: string): Promise<string> {
  return run('sh', ['-c', 'cd objects/pack && printf %s *.idx'], { cwd: repository });
}

describe('A small repository', () => {
  test.each([
    ['buildSmall', buildSmall, 'main', 3],
    ['buildEmpty', buildEmpty, 'trunk', 0],
    ['buildDetached', buildDetached, 'HEAD', 2],
    ['buildLatin1Names', buildLatin1Names, 'main', 2],
  ] as const)('of %s is cloned by git as it was built', async (_name, build, branch, files) => {
    const root = await directory();
    await build(join(root, 'repo.git'));
    const upstream = await startUpstream({ root });
    defer(() => upstream.close());
    const clone = join(root, 'clone');
    await cloneWithGit(`${upstream.url}/repo`, clone);
    const entries = [...(await snapshotTree(clone)).values()];
    expect(entries.filter(({ type }) => type === 'file')).toHaveLength(files);
    const head = (await readFile(join(clone, '.git/HEAD'), 'utf8')).trim();
    if (branch === 'HEAD') expect(head).toMatch(/^[0-9a-f]{40}$/);
    else expect(head).toBe(`ref: refs/heads/${branch}`);
  });

  test('gets a commit by push, which a clone can pull', async () => {
    const root = await directory();
    const bare = join(root, 'repo.git');
    await buildSmall(bare);
    const upstream = await startUpstream({ root });
    defer(() => upstream.close());
    const clone = join(root, 'clone');
    await cloneWithGit(`${upstream.url}/repo`, clone);
    const before = await git(clone, 'rev-parse', 'HEAD');
    const pushed = await push(bare, { files: { 'new.txt': 'new\n', 'README.md': null } });
    await git(clone, 'pull', '--quiet');
    expect(await git(clone, 'rev-parse', 'HEAD', 'HEAD~1')).toBe(`${pushed}\n${before}`);
    expect((await snapshotTree(clone)).has('README.md')).toBe(false);
    await push(bare, { branch: 'other', files: { 'root.txt': 'a branch of its own\n' } });
    expect(await git(bare, 'log', '--format=%p', 'other')).toBe('');
  });
});

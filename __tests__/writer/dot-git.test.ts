import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { ByteReader } from '../../lib/archive/byte-reader.js';
import { readSafeConfig } from '../../lib/client/unsafe-entries.js';
import { parsePackedRefs, RefList } from '../../lib/git/ref-list.js';
import type { Head } from '../../lib/git/refs.js';
import { refNameOf } from '../../lib/git/refs.js';
import { type GitDirectoryInput, gitDirectory } from '../../lib/writer/dot-git.js';
import { cloneWithGit } from '../support/clone.js';
import { fsck } from '../support/fsck.js';
import { RepositoryBuilder } from '../support/repository-builder.js';
import { execute, git } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';

const shared = cleanup(afterAll);
const { directory } = cleanup(afterEach);
const ORIGIN = 'https://git.example/org/repo';
const BRANCHES = ['main', 'feature/a', `it's;"ünïcode"#`, ']', 'end\u00a0'];

let filled: string;
let mirror: string;
let snapshot: string;
let clone: string;

beforeAll(async () => {
  filled = join(await shared.directory(), 'mirror.git');
  const builder = await RepositoryBuilder.create(filled);
  const first = builder.commit({ files: { a: 'a\n' } });
  builder.tag('v1', first);
  builder.ref('refs/tags/light', first);
  builder.commit({ files: { a: 'b\n' } });
  for (const branch of BRANCHES.slice(1)) {
    builder.commit({ branch, parents: [first], files: { b: branch } });
  }
  await builder.finish();
  await git(filled, 'pack-refs', '--all');
});

beforeEach(async () => {
  const scratch = await directory();
  mirror = filled;
  await git(mirror, 'symbolic-ref', 'HEAD', 'refs/heads/main');
  snapshot = join(scratch, 'snapshot');
  clone = join(scratch, 'clone');
});

/** The content of the mirror, as a snapshot gets it. */
async function inputOf(): Promise<GitDirectoryInput> {
  const packed = join(mirror, 'packed-refs');
  const refs = mirror === filled ? parsePackedRefs(await readFile(packed)) : RefList.of([]);
  const { code, stdout } = await execute('git', ['symbolic-ref', '-q', 'HEAD'], { cwd: mirror });
  const target = await execute('git', ['rev-parse', '-q', '--verify', 'HEAD'], { cwd: mirror });
  const oid = target.code === 0 ? target.stdout.trim() : undefined;
  const head: Head =
    code === 0
      ? { kind: 'branch', ref: refNameOf(stdout.replace(/\n$/, '')), oid }
      : { kind: 'detached', oid: oid ?? '' };
  const originHead = head.kind === 'branch' && oid !== undefined ? head.ref : undefined;
  const fetch = '+refs/heads/*:refs/remotes/origin/*';
  const rest = { fetch, shallow: [], originUrl: ORIGIN, trustFileTimes: true };
  return { head, originHead, refs, ...rest };
}

/** Writes the `.git` of a snapshot, with the mirror's objects in place of packs. */
async function install(input: GitDirectoryInput): Promise<void> {
  const made = new Set(['']);
  for (const [path, content] of gitDirectory(input)) {
    // Names of branches are bytes, as latin1.
    const full = join(snapshot, '.git', Buffer.from(path, 'latin1').toString());
    // Directories come before what is in them.
    expect(made).toContain(path.replace(/[^/]*\/?$/, ''));
    if (content === undefined) {
      made.add(path);
      await mkdir(full, { recursive: true });
    } else {
      await mkdir(dirname(full), { recursive: true });
      await writeFile(full, content);
    }
  }
  await writeFile(join(snapshot, '.git/objects/info/alternates'), `${join(mirror, 'objects')}\n`);
}

async function describeClone(path: string): Promise<Record<string, string[]>> {
  const lines = async (...args: string[]) =>
    (await execute('git', args, { cwd: path })).stdout.split('\n');
  return {
    refs: await lines('for-each-ref', '--format=%(refname) %(objectname) %(symref) %(*objectname)'),
    tracking: await lines('for-each-ref', '--format=%(refname) %(upstream)', 'refs/heads'),
    head: await lines('symbolic-ref', '-q', 'HEAD'),
    commit: await lines('rev-parse', '-q', '--verify', 'HEAD'),
    originHead: await lines('rev-parse', '-q', '--verify', 'origin/HEAD'),
    settings: (await lines('config', '--list', '--local', '-z'))
      .join('\n')
      .split('\0')
      .filter((setting) => !/^core\.(checkstat|trustctime)\n/.test(setting))
      .map((setting) => (setting.startsWith('remote.origin.url\n') ? 'remote.origin.url' : setting))
      .sort(),
  };
}

async function expectAsCloned(): Promise<void> {
  await cloneWithGit(mirror, clone, '--no-checkout');
  await install(await inputOf());
  expect(await describeClone(snapshot)).toEqual(await describeClone(clone));
  expect(await git(snapshot, 'remote', 'get-url', 'origin')).toBe(ORIGIN);
  expect(await fsck(snapshot)).toEqual(await fsck(clone));
}

describe('The git directory is what git clone writes', () => {
  test.each(BRANCHES)('for the default branch %j', async (branch) => {
    await git(mirror, 'symbolic-ref', 'HEAD', `refs/heads/${branch}`);
    await expectAsCloned();
  });

  test('for a detached HEAD', async () => {
    // git's clone takes a HEAD at the tip of a branch for that branch.
    await git(mirror, 'update-ref', '--no-deref', 'HEAD', 'main~1');
    await expectAsCloned();
  });

  test('for a repository without commits', async () => {
    mirror = join(snapshot, '../empty.git');
    await git('.', 'init', '--quiet', '--bare', '--initial-branch=trunk', mirror);
    await expectAsCloned();
  });
});

test.each([
  'https://git.example/a;b#c',
  'https://git.example/"q"',
  'https://git.example/with space ',
])('The git directory keeps the URL %j', async (originUrl) => {
  await install({ ...(await inputOf()), originUrl });
  expect(await git(snapshot, 'config', '--local', 'remote.origin.url')).toBe(originUrl);
});

test.each(BRANCHES)('The restore client takes the config of the branch %j', async (branch) => {
  await git(mirror, 'symbolic-ref', 'HEAD', `refs/heads/${branch}`);
  const config = new Map(gitDirectory(await inputOf())).get('config') ?? Buffer.alloc(0);
  const reader = new ByteReader(Readable.from([config]));
  expect(await readSafeConfig(config.length, reader)).toBe(config.toString('latin1'));
});

test.each([true, false])(
  'The git directory trusts file times only when told to: %j',
  async (trustFileTimes) => {
    await install({ ...(await inputOf()), trustFileTimes });
    const settings = await git(snapshot, 'config', '--local', '--list');
    expect(settings.includes('core.checkstat=minimal')).toBe(trustFileTimes);
    expect(settings.includes('core.trustctime=false')).toBe(trustFileTimes);
  },
);

test('The git directory packs the ref of a branch whose name is too long for a file', async () => {
  const ref = `refs/heads/${'n'.repeat(256)}`;
  const input = await inputOf();
  const head: Head = { kind: 'branch', ref, oid: 'a'.repeat(40) };
  const files = new Map(gitDirectory({ ...input, head }));
  expect(files.has(ref)).toBe(false);
  expect(files.get('packed-refs')?.toString()).toContain(` ${ref}\n`);
});

test('The git directory shows nothing of the server', async () => {
  const all = JSON.stringify(gitDirectory(await inputOf()));
  for (const trace of [mirror, 'mirror', process.cwd(), 'logs/']) expect(all).not.toContain(trace);
});

/** @one-node-version */
import { lstat, lutimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type CachedTree,
  cachedTreeBytes,
  encodeIndex,
  type IndexEntry,
  indexBytes,
  indexEntryBytes,
} from '../../lib/checkout/git-index.js';
import { statusReadsNothing } from '../support/first-status.js';
import { fsck } from '../support/fsck.js';
import { buildKitchenSink } from '../support/kitchen-sink.js';
import { execute, git, run, runBinary } from '../support/run.js';
import { buildLatin1Names } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory } = cleanup(afterEach);
const MTIME = 1_600_000_000;
const OID = 'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391';
/** Makes git compare the cached trees with the entries whenever it touches the index. */
const CHECKED = { GIT_TEST_CHECK_CACHE_TREE: '1' };

let scratch: string;

beforeEach(async () => {
  scratch = await directory();
});

async function checkOut(build: (directory: string) => Promise<void>): Promise<string> {
  const [repository, checkout] = [join(scratch, 'a.git'), join(scratch, 'checkout')];
  await build(repository);
  await git('.', 'clone', '--quiet', repository, checkout);
  await git(checkout, 'config', 'core.checkStat', 'minimal');
  await git(checkout, 'config', 'core.trustctime', 'false');
  return checkout;
}

/** Lines that end with NUL, their bytes as latin1. */
async function lines(checkout: string, ...args: string[]): Promise<string[]> {
  const output = await runBinary('git', args, { cwd: checkout });
  return output.toString('latin1').split('\0').slice(0, -1);
}

/** The entries that git's own index has, with the sizes of the files; all files get one time. */
async function entriesOf(checkout: string): Promise<IndexEntry[]> {
  const entries: IndexEntry[] = [];
  for (const line of await lines(checkout, 'ls-files', '--stage', '-z')) {
    const [, mode = '', oid = '', path = ''] = /^(\d+) (\w+) 0\t(.*)$/s.exec(line) ?? [];
    const gitlink = mode === '160000';
    const file = Buffer.from(`${checkout}/${path}`, 'latin1');
    const { size } = await lstat(file);
    if (!gitlink) await lutimes(file, MTIME, MTIME);
    entries.push({ path, mode: Number.parseInt(mode, 8), oid, size: gitlink ? 0 : size });
  }
  return entries;
}

/** HEAD's trees, as the index caches them. */
async function treesOf(checkout: string, entries: readonly IndexEntry[]): Promise<CachedTree[]> {
  const below = (path: string) => entries.filter((entry) => entry.path.startsWith(path)).length;
  const trees = (await lines(checkout, 'ls-tree', '-rtz', 'HEAD')).flatMap((line) => {
    const [, oid = '', path = ''] = /^040000 tree (\w+)\t(.*)$/s.exec(line) ?? [];
    return path === '' ? [] : [{ oid, path }];
  });
  const nameOf = (path: string) => path.slice(path.lastIndexOf('/', path.length - 2) + 1, -1);
  const list = (oid: string, path: string): CachedTree[] => {
    const name = nameOf(path);
    const subtrees = trees
      .filter((tree) => tree.path.startsWith(path) && !tree.path.slice(path.length).includes('/'))
      .map((tree) => list(tree.oid, `${tree.path}/`))
      .sort(([a], [b]) => byLengthThenName(a?.name ?? '', b?.name ?? ''));
    const tree = { name, oid, entries: below(path), subtrees: subtrees.length };
    return [tree, ...subtrees.flat()];
  };
  return list(await git(checkout, 'rev-parse', 'HEAD^{tree}'), '');
}

function byLengthThenName(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : 1);
}

/** All of an index. Its size is known before the first byte. */
function wholeIndex(entries: readonly IndexEntry[], trees?: readonly CachedTree[]): Buffer {
  const sum = (sizes: number[]) => sizes.reduce((total, size) => total + size, 0);
  const cached = trees && { trees, bytes: sum(trees.map(cachedTreeBytes)) };
  const pieces: Buffer[] = [];
  for (const piece of encodeIndex({ entries, count: entries.length, mtime: MTIME, cached })) {
    pieces.push(Buffer.from(piece));
  }
  const index = Buffer.concat(pieces);
  expect(index).toHaveLength(indexBytes(sum(entries.map(indexEntryBytes)), cached));
  return index;
}

describe.each([
  ['the kitchen sink', (path: string) => buildKitchenSink(path, { largeBytes: 1000 })],
  ['names that are not UTF-8', buildLatin1Names],
])('git accepts the index of %s', (_, build) => {
  let checkout: string;
  let entries: IndexEntry[];
  let trees: CachedTree[];

  beforeEach(async () => {
    checkout = await checkOut(build);
    entries = await entriesOf(checkout);
    trees = await treesOf(checkout, entries);
  });

  const install = (cached: readonly CachedTree[]) =>
    writeFile(join(checkout, '.git/index'), wholeIndex(entries, cached));

  test('with all entries', async () => {
    const staged = await lines(checkout, 'ls-files', '--stage', '-z');
    const complaints = await fsck(checkout);
    await install(trees);
    expect(await lines(checkout, 'ls-files', '--stage', '-z')).toEqual(staged);
    expect(await fsck(checkout)).toEqual(complaints);
    const debug = await git(checkout, 'ls-files', '--debug');
    for (const [field, value] of [
      ['ctime', '0:0'],
      ['uid', '0\tgid: 0'],
      ['flags', '0'],
    ]) {
      const found = [...debug.matchAll(new RegExp(`\\b${field}: (.*)$`, 'gm'))].map(
        ([, text]) => text,
      );
      expect(new Set(found)).toEqual(new Set([value]));
      expect(found).toHaveLength(entries.length);
    }
    const times = [...debug.matchAll(/mtime: (\d+):0$/gm)].map(([, seconds]) => Number(seconds));
    const gitlinks = entries.filter(({ mode }) => mode === 0o160000).length;
    expect(times.filter((time) => time === MTIME)).toHaveLength(entries.length - gitlinks);
    const sizes = [...debug.matchAll(/size: (\d+)\t/g)].map(([, size]) => Number(size));
    expect(sizes).toEqual(entries.map(({ size }) => size));
  });

  test('and finds no change without reading a file', async () => {
    await install(trees);
    expect(await statusReadsNothing(checkout)).toBeGreaterThan(1);
  });

  test('with the cached trees that git itself writes', async () => {
    await install(trees);
    const head = await git(checkout, 'rev-parse', 'HEAD^{tree}');
    expect(await git(checkout, 'write-tree')).toBe(head);
    expect(await rewrite()).toBe(0);
    const last = entries.at(-1)?.path ?? '';
    await run('git', ['update-index', '-z', '--force-remove', '--stdin'], {
      cwd: checkout,
      env: CHECKED,
      input: Buffer.from(`${last}\0`, 'latin1'),
    });
    const shrunk = await git(checkout, 'write-tree');
    await writeFile(join(checkout, '.git/index'), wholeIndex(entries.slice(0, -1)));
    expect(await git(checkout, 'write-tree')).toBe(shrunk);
    expect(shrunk).not.toBe(head);
  });

  test('but not with wrong cached trees', async () => {
    await install(trees.map((tree, i) => ({ ...tree, entries: tree.entries - (i === 0 ? 1 : 0) })));
    expect(await rewrite()).not.toBe(0);
  });

  /** Lets git write the index again, and check it. @returns git's exit code. */
  async function rewrite(): Promise<number | null> {
    const args = ['update-index', '--force-write-index'];
    return (await execute('git', args, { cwd: checkout, env: CHECKED })).code;
  }
});

describe('git reads an index with', () => {
  beforeEach(async () => {
    await git(scratch, 'init', '--quiet');
  });

  async function readBack(entries: readonly IndexEntry[]): Promise<string[]> {
    await writeFile(join(scratch, '.git/index'), wholeIndex(entries));
    return lines(scratch, 'ls-files', '--stage', '-z');
  }

  const entry = (path: string, size = 0): IndexEntry => ({ path, mode: 0o100644, oid: OID, size });

  test('paths of every length', async () => {
    const short = Array.from({ length: 40 }, (_, i) => 'p'.repeat(i + 1));
    const long = [4093, 4094, 4095, 4096, 5000, 70_000].map((length) => 'q'.repeat(length));
    const paths = [...short, ...long];
    expect(await readBack(paths.map((path) => entry(path)))).toEqual(
      paths.map((path) => `100644 ${OID} 0\t${path}`),
    );
  });

  test('no entries', async () => {
    expect(await readBack([])).toEqual([]);
    expect(await git(scratch, 'status', '--porcelain')).toBe('');
  });

  test('file sizes modulo 2^32, as git writes them', async () => {
    await readBack([entry('a', 2 ** 32 - 1), entry('b', 2 ** 32 + 5)]);
    const debug = await git(scratch, 'ls-files', '--debug');
    expect([...debug.matchAll(/size: (\d+)/g)].map(([, size]) => size)).toEqual([
      '4294967295',
      '5',
    ]);
  });
});

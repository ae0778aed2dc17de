import { join } from 'node:path';
import { reachableObjects } from '../../lib/history/reachable-objects.js';
import { encodePack } from '../../lib/pack/encode-pack.js';
import type { ObjectReader } from '../../lib/pack/reader.js';
import { ingest, LIMITS, whole } from '../pack/ingesting.js';
import { storePack } from '../pack/stored-pack.js';
import { fsck } from '../support/fsck.js';
import { treeBody } from '../support/object-id.js';
import { ObjectList } from '../support/object-list.js';
import { SeededRandom } from '../support/random.js';
import { execute, git, run, runBinary } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';
import { buildRandomHistory } from './random-history.js';
import { idsOf, openReader, packsOf, revList } from './reading.js';

const shared = cleanup(afterAll);
const { directory, defer } = cleanup(afterEach);
const SEEDS = [1, 2, 3];

interface Repository {
  readonly path: string;
  readonly commits: readonly string[];
  readonly reader: ObjectReader;
}
const repositories = new Map<number, Repository>();

beforeAll(async () => {
  for (const seed of SEEDS) {
    const path = join(await shared.directory(), 'random.git');
    const { commits } = await buildRandomHistory(path, seed, 150);
    const reader = await openReader(packsOf(path));
    shared.defer(() => reader.close());
    repositories.set(seed, { path, commits, reader });
  }
});

function repository(seed: number): Repository {
  const found = repositories.get(seed);
  if (found === undefined) throw new RangeError(`no repository ${seed}`);
  return found;
}

async function refs(path: string): Promise<string[]> {
  return (await git(path, 'for-each-ref', '--format=%(objectname)')).split('\n');
}

describe.each(SEEDS)('The search of a random history, seed %d,', (seed) => {
  test('finds what git finds from all refs', async () => {
    const { path, reader } = repository(seed);
    const { objects, shallow } = reachableObjects(reader, { include: await refs(path) });
    expect(idsOf(reader, objects)).toEqual(await revList(path, '--all'));
    expect(objects.size).toBeGreaterThan(350);
    expect(shallow).toEqual([]);
  });

  test('finds what git finds from single commits', async () => {
    const { path, commits, reader } = repository(seed);
    const random = new SeededRandom(seed);
    for (let i = 0; i < 5; i++) {
      const tip = random.pick(commits);
      const { objects } = reachableObjects(reader, { include: [tip] });
      expect({ tip, ids: idsOf(reader, objects) }).toEqual({ tip, ids: await revList(path, tip) });
    }
  });

  test('finds every object that a repository with the excluded commits lacks', async () => {
    const { path, commits, reader } = repository(seed);
    const random = new SeededRandom(seed + 100);
    for (let i = 0; i < 4; i++) {
      const include = [random.pick(commits.slice(75)), random.pick(commits)];
      const exclude = Array.from({ length: 1 + random.below(3) }, () => random.pick(commits));
      const { objects } = reachableObjects(reader, { include, exclude });
      const found = new Set(idsOf(reader, objects));
      const known = new Set(await revList(path, ...exclude));
      const all = await revList(path, ...include);
      const needed = all.filter((oid) => !known.has(oid));
      expect(needed.filter((oid) => !found.has(oid))).toEqual([]);
      expect([...found].filter((oid) => !all.includes(oid))).toEqual([]);

      const pack = whole(encodePack(reader, objects));
      const other = join(await directory(), 'other.git');
      await git('.', 'init', '--quiet', '--bare', other);
      for (const [n, oid] of exclude.entries()) {
        await git(path, 'push', '--quiet', other, `${oid}:refs/heads/base-${n}`);
      }
      await run('git', ['index-pack', '--stdin', '--strict'], { cwd: other, input: pack });
      for (const [n, oid] of include.entries()) {
        await git(other, 'update-ref', `refs/heads/new-${n}`, oid);
      }
      const said = await fsck(other);
      expect(said.filter((line) => !/^(dangling|notice)/.test(line))).toEqual([]);
      expect(await revList(other, ...include)).toEqual(all);
    }
  });

  test('finds nothing when all commits are excluded', async () => {
    const { path, reader } = repository(seed);
    const tips = await refs(path);
    expect(reachableObjects(reader, { include: tips, exclude: tips }).objects.size).toBe(0);
  });

  test.each([1, 2, 3, 7, 1000])('cuts history at depth %d as git clone does', async (depth) => {
    const { path, reader } = repository(seed);
    const clone = join(await directory(), 'clone.git');
    const options = ['--bare', '--no-tags', '--single-branch', `--depth=${depth}`];
    await git('.', 'clone', '--quiet', ...options, '--branch=main', `file://${path}`, clone);
    const tip = await git(path, 'rev-parse', 'main');
    const { objects, shallow } = reachableObjects(reader, { include: [tip], depth });
    const { stdout: boundary } = await execute('cat', [join(clone, 'shallow')]);
    expect(shallow.map((oid) => `${oid}\n`).join('')).toBe(boundary);
    expect(idsOf(reader, objects)).toEqual(await revList(clone, '--all'));
  });
});

test('A commit without parents is a boundary when history is cut there, as for git clone', async () => {
  const list = new ObjectList();
  const root = list.soundCommit();
  const made = await ingest(list.pack(root).pack, LIMITS);
  const path = join(await directory(), 'root.git');
  await git('.', 'init', '--quiet', '--bare', path);
  const packs = await storePack(packsOf(path), made.name, made);
  await git(path, 'update-ref', 'refs/heads/main', root);
  const clone = join(await directory(), 'clone.git');
  await git('.', 'clone', '--quiet', '--bare', '--depth=1', `file://${path}`, clone);
  const reader = await openReader(packs);
  defer(() => reader.close());
  const { shallow } = reachableObjects(reader, { include: [root], depth: 1 });
  const { stdout: boundary } = await execute('cat', [join(clone, 'shallow')]);
  expect(shallow.map((oid) => `${oid}\n`).join('')).toBe(boundary);
});

describe('Of 12,000 excluded commits', () => {
  /** Adds `fresh` commits to a history and looks for them. @returns how many objects were read. */
  async function history(fresh: number) {
    const objects = new ObjectList();
    const tree = objects.tree();
    const chain = [objects.commit(tree)];
    const grow = () => chain.push(objects.commit(tree, chain.at(-1) ?? ''));
    for (let i = 1; i < 12_000; i++) grow();
    const exclude = [...chain];
    for (let i = 0; i < fresh; i++) grow();
    const made = await ingest(objects.pack(chain.at(-1) ?? '').pack);
    const reader = await openReader(await storePack(await directory(), made.name, made));
    defer(() => reader.close());
    const read = jest.spyOn(reader, 'readNumber');
    const { objects: found } = reachableObjects(reader, { include: chain.slice(-1), exclude });
    expect(idsOf(reader, found)).toEqual(chain.slice(12_000).sort());
    return read.mock.calls.length;
  }

  test('few are read when what is included leads to one of them soon', async () => {
    expect(await history(5)).toBeLessThan(100);
  });

  test('none is missed when that takes many commits', async () => {
    expect(await history(3000)).toBeGreaterThan(12_000);
  });
});

test('Of a part of a history it finds what git makes a bundle of', async () => {
  const { path, commits, reader } = repository(1);
  const [base = '', tip = ''] = [commits[100], await git(path, 'rev-parse', 'main')];
  const { objects } = reachableObjects(reader, { include: [tip], exclude: [base] });
  const header = `# v2 git bundle\n-${base} \n${tip} refs/heads/main\n\n`;
  const pack = whole(encodePack(reader, objects));
  const clone = join(await directory(), 'clone.git');
  await git('.', 'init', '--quiet', '--bare', clone);
  await git(path, 'push', '--quiet', clone, `${base}:refs/heads/main`);
  const input = Buffer.concat([Buffer.from(header), pack]);
  await runBinary('tee', ['new.bundle'], { cwd: clone, input });
  await git(clone, 'bundle', 'verify', '--quiet', 'new.bundle');
  await git(clone, 'fetch', '--quiet', 'new.bundle', 'refs/heads/main:refs/heads/new');
  expect(await git(clone, 'rev-parse', 'new')).toBe(tip);
  expect(await fsck(clone)).toEqual([]);
});

type Line = [mode: string, name: string, oid: string];

async function readerOf(list: ObjectList): Promise<ObjectReader> {
  const { pack } = list.pack('');
  const made = await ingest(pack, LIMITS);
  const reader = await openReader(await storePack(await directory(), made.name, made));
  defer(() => reader.close());
  return reader;
}

describe('The search', () => {
  const absent = 'ab'.repeat(20);
  const missing = expect.objectContaining({
    code: 'UPSTREAM_INVALID',
    message: `object ${absent} is missing`,
  });

  test.each<[string, (list: ObjectList) => string]>([
    ['a tip', () => absent],
    ['a parent', (list) => list.commit(list.tree(), absent)],
    ['a second parent', (list) => list.commit(list.tree(), list.commit(list.tree()), absent)],
    ['a tree', (list) => list.commit(absent)],
    ['a blob', (list) => list.commit(list.tree(['100644', 'a', absent]))],
    ['a directory', (list) => list.commit(list.tree(['40000', 'a', absent]))],
    ['what a tag names', (list) => list.tag(list.tag(absent), 'tag')],
    [
      'a blob of the parent',
      (list) =>
        list.commit(
          list.tree(['100644', 'a', list.blob()]),
          list.commit(list.tree(['100644', 'b', absent])),
        ),
    ],
    [
      'a blob that the parent has as well',
      (list) => {
        const tree = list.tree(['100644', 'a', absent]);
        return list.commit(list.tree(['40000', 'd', tree]), list.commit(tree));
      },
    ],
  ])('fails when an object is missing: %s', async (_, make) => {
    const list = new ObjectList();
    list.soundCommit();
    const tip = make(list);
    const reader = await readerOf(list);
    expect(() => reachableObjects(reader, { include: [tip] })).toThrow(missing);
  });

  test('needs neither the commits of submodules nor those beyond the depth', async () => {
    const list = new ObjectList();
    const tip = list.commit(list.tree(['160000', 'module', absent]), absent);
    const reader = await readerOf(list);
    const { shallow } = reachableObjects(reader, { include: [tip], depth: 1 });
    expect(shallow).toEqual([tip]);
  });

  test.each<[string, (list: ObjectList) => string]>([
    ['a blob for a tree', (list) => list.commit(list.blob())],
    ['a blob for a directory', (list) => list.commit(list.tree(['40000', 'a', list.blob()]))],
    ['a tree for a parent', (list) => list.commit(list.tree(), list.tree())],
    ['a tree that ends too soon', (list) => list.commit(list.add('tree', '100644 a\0short'))],
    ['a tree without modes', (list) => list.commit(list.add('tree', `x y\0${'z'.repeat(20)}`))],
  ])('fails for %s', async (_, make) => {
    const list = new ObjectList();
    const tip = make(list);
    const reader = await readerOf(list);
    expect(() => reachableObjects(reader, { include: [tip] })).toThrow(
      expect.objectContaining({ code: 'UPSTREAM_INVALID' }),
    );
  });

  test('sees every entry of trees that are not sorted', async () => {
    const list = new ObjectList();
    const [a, b, c] = [list.blob('a\n'), list.blob('b\n'), list.blob('c\n')];
    const parent = list.commit(list.tree(['100644', 'z', a], ['100644', 'a', a]));
    const tree = list.tree(['100644', 'a', b], ['100644', 'z', a], ['100644', 'a', c]);
    const tip = list.commit(tree, parent);
    const reader = await readerOf(list);
    expect(idsOf(reader, reachableObjects(reader, { include: [tip] }).objects)).toEqual(
      expect.arrayContaining([a, b, c]),
    );
  });

  /** How many bytes are inflated to find all that can be reached from these. */
  async function inflated(list: ObjectList, include: string[], depth?: number): Promise<number> {
    const reader = await readerOf(list);
    const read = reader.readNumber.bind(reader);
    let bytes = 0;
    reader.readNumber = (number) => {
      const object = read(number);
      bytes += object.data.length;
      return object;
    };
    reachableObjects(reader, { include, depth });
    return bytes;
  }
  /** Larger than what is kept of the objects that were read. */
  const LARGE_BYTES = 4 * 1024 * 1024;
  const CHILDREN = 500;

  test('reads a large tree seldom, however many small ones come after it', async () => {
    const list = new ObjectList();
    const line: Line = ['100644', 'f', list.blob()];
    const large = list.add(
      'tree',
      treeBody(Array.from({ length: Math.ceil(LARGE_BYTES / 29) }, () => line)),
    );
    const parent = list.commit(large);
    const children = Array.from({ length: CHILDREN }, (_, i) => {
      return list.commit(list.tree(['100644', `f${i}`, line[2]]), parent);
    });
    expect(await inflated(list, children)).toBeLessThan(20 * LARGE_BYTES);
  });

  test.each([
    ['all', undefined],
    ['the latest', 5],
  ])('of %s commits reads a large one seldom, however many children it has', async (_, depth) => {
    const list = new ObjectList();
    const tree = list.tree(['100644', 'f', list.blob()]);
    // Its children were committed before it.
    const header = `tree ${tree}\nauthor A <a@b> 1800000000 +0000\ncommitter A <a@b> 1800000000 +0000\n\n`;
    const large = list.add('commit', header + 'm'.repeat(LARGE_BYTES));
    const children = Array.from({ length: CHILDREN }, (_, i) => {
      return list.commit(list.tree(['100644', `f${i}`, list.blob()]), large);
    });
    expect(await inflated(list, [large, ...children], depth)).toBeLessThan(20 * LARGE_BYTES);
  });
});

test.each([undefined, 1000])(
  'The search stops at the next commit when it is aborted meanwhile, to a depth of %s',
  async (depth) => {
    const objects = new ObjectList();
    const tree = objects.tree();
    let tip = objects.commit(tree);
    for (let n = 0; n < 50; n++) tip = objects.commit(tree, tip);
    const reader = await readerOf(objects);
    const aborting = new AbortController();
    const { readNumber } = reader;
    const reading = jest.spyOn(reader, 'readNumber').mockImplementation((number) => {
      if (reading.mock.calls.length === 10) aborting.abort(new Error('enough'));
      return readNumber.call(reader, number);
    });
    const options = { include: [tip], depth, signal: aborting.signal };
    try {
      expect(() => reachableObjects(reader, options)).toThrow('enough');
      expect(reading.mock.calls.length).toBeLessThan(15);
    } finally {
      reading.mockRestore();
    }
  },
);

test('The search stops when it is aborted', () => {
  const { commits, reader } = repository(1);
  const signal = AbortSignal.abort(new Error('enough'));
  const include = commits.slice(-1);
  expect(() => reachableObjects(reader, { include, signal })).toThrow('enough');
  expect(() => reachableObjects(reader, { include, depth: 3, signal })).toThrow('enough');
});

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ingestPack } from '../../lib/pack/ingest.js';
import { ResolverPool } from '../../lib/pack/resolver-pool.js';
import { makeDelta } from '../support/delta.js';
import { rounds, seedOf } from '../support/effort.js';
import { makePack, type PackEntry } from '../support/hostile-pack.js';
import { openFiles, threadCount } from '../support/process-resources.js';
import { SeededRandom, seededBytes } from '../support/random.js';
import { cleanup } from '../support/temporary-directory.js';
import { inChunks, indexWithGit, ingest, LIMITS } from './ingesting.js';
import { startedThreads } from './started-threads.js';

const { directory } = cleanup(afterEach);
const KIB = 1024;

/** Entries for several threads: trees of deltas, whose bases come before them, near and far. */
function manyDeltas(seed: number, objects: number): PackEntry[] {
  const random = new SeededRandom(seed);
  const bodies: Buffer[] = [];
  const entries: PackEntry[] = [];
  for (let i = 0; i < objects; i++) {
    const name = Buffer.from(`object ${i}\n`);
    const distance = random.below(20) === 0 ? random.below(i + 1) : random.below(5) + 1;
    const base = bodies[i - distance];
    if (base === undefined || random.below(5) === 0) {
      const body = Buffer.concat([name, seededBytes(i, random.below(200))]);
      bodies.push(body);
      entries.push({ type: 'blob', body });
      continue;
    }
    const copied = Math.min(base.length, 150);
    const from = base.length - copied;
    const instructions = copied === 0 ? [] : [{ copy: [from, copied] as [number, number] }];
    const body = Buffer.concat([name, base.subarray(from)]);
    bodies.push(body);
    const delta = makeDelta(base.length, body.length, [{ insert: name }, ...instructions]);
    entries.push({ type: 'ofs-delta', base: i - distance, body: delta });
  }
  return entries;
}

const entries = manyDeltas(1, 61_000);
/** Has enough objects for three threads. */
const pack = makePack(entries);
/** Has enough objects for two threads. */
const smaller = makePack(entries.slice(0, 41_000));
let expected: Buffer | undefined;

beforeAll(async () => {
  expected = await indexWithGit(pack);
  expect(expected).toBeDefined();
});

test.each([1, 2, 4])(
  'With indexThreads %d, an ingest writes the idx that git writes',
  async (indexThreads) => {
    for (const deltaCacheBytes of [0, 16 * KIB, 1024 * KIB]) {
      const { idx } = await ingest(pack, { indexThreads, deltaCacheBytes });
      expect(idx.equals(expected ?? Buffer.alloc(0))).toBe(true);
    }
  },
);

describe('The threads of an ingest', () => {
  /** A pack with one bad delta. */
  const bad = makePack([
    ...Array.from({ length: 41_000 }, (_, i): PackEntry => ({ type: 'blob', body: `blob ${i}\n` })),
    { type: 'ofs-delta', base: 40_000, body: makeDelta(4, 5, [{ copy: [0, 4] }]) },
  ]);

  async function ingestWith(threads: ResolverPool, bytes: Buffer): Promise<string> {
    const path = join(await directory(), 'packs');
    await mkdir(path);
    return (
      await ingestPack(inChunks(bytes, 65_536), path, { ...LIMITS, indexThreads: 3 }, { threads })
    ).name;
  }

  /** The number of threads, after Node has started all threads of its own. */
  let before: number;

  beforeAll(async () => {
    const threads = new ResolverPool();
    await ingestWith(threads, smaller);
    await threads.close();
    before = await threadCount();
  });

  test('are kept from one pack to the next, and end when their pool is closed', async () => {
    const threads = new ResolverPool();
    expect(await startedThreads(() => ingestWith(threads, smaller))).toBe(2);
    expect(await startedThreads(() => ingestWith(threads, smaller))).toBe(0);
    expect(await threadCount()).toBe(before + 2);
    await threads.close();
    expect(await threadCount()).toBe(before);
  });

  test('are not started for a small pack', async () => {
    const small = makePack([{ type: 'blob', body: 'alone\n' }]);
    expect(await startedThreads(() => ingestWith(new ResolverPool(), small))).toBe(0);
  });

  test('end when a pack is refused, and the next pack gets new ones', async () => {
    const threads = new ResolverPool();
    const invalid = expect.objectContaining({ code: 'UPSTREAM_INVALID' });
    await expect(ingestWith(threads, bad)).rejects.toEqual(invalid);
    expect(await threadCount()).toBe(before);
    expect(await startedThreads(() => ingestWith(threads, smaller))).toBe(2);
    await threads.close();
  });

  // Node aborts the process when a thread is ended at a bad moment, or leaks its files while it starts.
  test('leave nothing behind when a pack breaks off anywhere', async () => {
    const open = await openFiles(process.cwd());
    const random = new SeededRandom(seedOf('pack/dispatcher'));
    const threads = new ResolverPool();
    for (let i = 0; i < rounds(8, 100); i++) {
      const cut = inChunks(smaller.subarray(0, 100 + random.below(smaller.length - 200)), 65_536);
      const limits = { ...LIMITS, indexThreads: 3, deltaCacheBytes: 16 * KIB };
      const failing = ingestPack(cut, await directory(), limits, { threads });
      await expect(failing).rejects.toThrow('ends');
    }
    await threads.close();
    expect(await threadCount()).toBe(before);
    expect(await openFiles(process.cwd())).toEqual(open);
  });

  test('end when a pack breaks off and they have no pool', async () => {
    const cut = inChunks(smaller.subarray(0, -1000), 65_536);
    const path = await directory();
    await expect(ingestPack(cut, path, { ...LIMITS, indexThreads: 3 })).rejects.toThrow('ends');
    expect(await threadCount()).toBe(before);
  });
});

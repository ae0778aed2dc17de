import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ingestPack } from '../../lib/pack/ingest.js';
import type { IngestProgress } from '../../lib/pack/ingest-progress.js';
import { makeDelta } from '../support/delta.js';
import { rounds } from '../support/effort.js';
import { makePack, type PackEntry } from '../support/hostile-pack.js';
import { buildKitchenSink } from '../support/kitchen-sink.js';
import { objectId } from '../support/object-id.js';
import { SeededRandom, seededBytes } from '../support/random.js';
import { readPack } from '../support/read-pack.js';
import { RepositoryBuilder } from '../support/repository-builder.js';
import { git } from '../support/run.js';
import { buildSynthetic } from '../support/synthetic-repository.js';
import { cleanup } from '../support/temporary-directory.js';
import { inChunks, indexWithGit, ingest, LIMITS, packAll, packOf } from './ingesting.js';
import { startedThreads } from './started-threads.js';

const { directory } = cleanup(afterAll);
const OFS_DELTA = 6;
const REF_DELTA = 7;

const countOf = (pack: Buffer, type: number) =>
  readPack(pack).filter(({ typeNumber }) => typeNumber === type).length;

/** The entries of a pack as they stand there. */
const rawEntries = (pack: Buffer): PackEntry[] =>
  readPack(pack).map(({ offset, length }) => {
    return { type: 'raw', bytes: pack.subarray(offset, offset + length) };
  });

async function expectIndexedAsByGit(pack: Buffer): Promise<void> {
  const expected = await indexWithGit(pack);
  const ingested = await ingest(pack);
  expect(expected).toBeDefined();
  expect(ingested.idx.equals(expected ?? Buffer.alloc(0))).toBe(true);
  expect(ingested.pack.equals(pack)).toBe(true);
  expect(ingested.name).toBe(`pack-${pack.subarray(-20).toString('hex')}`);
  expect(ingested.objects).toBe(pack.readUInt32BE(8));
  expect(ingested.size).toBe(pack.length);
}

describe('An ingest writes the idx that git index-pack writes', () => {
  let byId: Buffer;

  beforeAll(async () => {
    const repository = join(await directory(), 'synthetic.git');
    await buildSynthetic(repository, { commits: 400, files: 20, repack: false });
    byId = await packAll(repository, '--no-reuse-delta');
  });

  test('for the kitchen sink, with blobs of 20 MB', async () => {
    const sink = join(await directory(), 'sink.git');
    await buildKitchenSink(sink);
    const pack = await readFile(await packOf(sink));
    expect(readPack(pack).filter(({ declaredSize }) => declaredSize > 20e6)).toHaveLength(2);
    await expectIndexedAsByGit(pack);
  });

  test('for deltas whose bases are given by id', async () => {
    expect(countOf(byId, REF_DELTA)).toBeGreaterThan(200);
    expect(countOf(byId, OFS_DELTA)).toBe(0);
    await expectIndexedAsByGit(byId);
  });

  test('for deltas by id that come before their bases', async () => {
    await expectIndexedAsByGit(makePack(rawEntries(byId).reverse()));
  });

  test('for more objects than one thread gets', async () => {
    const repository = join(await directory(), 'large.git');
    const commits = rounds(4300, 20_000);
    await buildSynthetic(repository, { commits, files: 200, repack: false });
    const pack = await packAll(repository, '--delta-base-offset', '--no-reuse-delta');
    expect(pack.readUInt32BE(8)).toBeGreaterThan(20_000);
    expect(countOf(pack, OFS_DELTA)).toBeGreaterThan(8000);
    const threads = await startedThreads(() => expectIndexedAsByGit(pack));
    expect(threads).toBe(LIMITS.indexThreads - 1);
  });

  test('for a pack of no objects', () => expectIndexedAsByGit(makePack([])));

  test('for a pack of one object', () =>
    expectIndexedAsByGit(makePack([{ type: 'blob', body: 'alone\n' }])));

  test('for empty objects and deltas that make them', async () => {
    const empty: PackEntry[] = [
      { type: 'blob', body: 'something\n' },
      { type: 'tree', body: '' },
      // git refuses a delta of less than four bytes.
      { type: 'ofs-delta', base: 0, body: Buffer.of(0x8a, 0, 0x80, 0) },
    ];
    await expectIndexedAsByGit(makePack(empty));
  });
});

/** Sizes of two pieces. */
function cutAt(at: number): () => number {
  let next = at;
  return () => {
    const size = next;
    next = Number.MAX_SAFE_INTEGER;
    return size;
  };
}

describe('The idx is the same when the bytes arrive', () => {
  let pack: Buffer;
  let expected: Buffer | undefined;

  beforeAll(async () => {
    // Objects of all kinds and both kinds of delta, two of them too large for one call of zlib.
    const repository = join(await directory(), 'mixed.git');
    const builder = await RepositoryBuilder.create(repository);
    const text = 'All work and no play\n'.repeat(60_000);
    for (let i = 0; i < 12; i++) {
      builder.commit({
        files: {
          'log.txt': `${'line\n'.repeat(200 + i)}`,
          'large.txt': text.repeat(i === 5 ? 2 : 1),
          [`noise-${i}`]: seededBytes(i, 1000),
        },
      });
    }
    builder.tag('v1', 'refs/heads/main');
    await builder.finish();
    const byOffset = await packAll(repository, '--delta-base-offset');
    const byId: PackEntry[] = [7, 8, 9].map((i) => ({
      type: 'ref-delta',
      base: objectId('blob', seededBytes(i, 1000)),
      body: makeDelta(1000, 1001, [{ copy: [0, 1000] }, { insert: 'x' }]),
    }));
    pack = makePack([...rawEntries(byOffset), ...byId]);
    expected = await indexWithGit(pack);
  });

  test.each([1, 7, 4096, 64 * 1024, Number.MAX_SAFE_INTEGER])(
    'in pieces of %d bytes',
    async (chunk) => {
      expect((await ingest(pack, { chunk })).idx).toEqual(expected);
    },
  );

  test.each([1, 2, 3, 4])('in pieces of random sizes, seed %d', async (seed) => {
    const random = new SeededRandom(seed);
    const chunk = () => random.pick([0, 1, 2, 13, 100, 5000]) + random.below(40);
    expect((await ingest(pack, { chunk })).idx).toEqual(expected);
  });

  test('in two pieces, cut anywhere in a small pack', async () => {
    const small = makePack([
      { type: 'blob', body: 'a base that is long enough\n' },
      { type: 'ofs-delta', base: 0, body: makeDelta(27, 4, [{ copy: [0, 4] }]) },
      {
        type: 'ref-delta',
        base: objectId('blob', Buffer.from('a ba')),
        body: makeDelta(4, 1, [{ copy: [0, 1] }]),
      },
      { type: 'tag', body: '' },
    ]);
    const idx = await indexWithGit(small);
    for (let cut = 1; cut < small.length; cut++) {
      expect({ cut, idx: (await ingest(small, { chunk: cutAt(cut) })).idx }).toEqual({ cut, idx });
    }
  });

  test('in two pieces, cut around the ends of a streamed object', async () => {
    const large = Buffer.alloc(1024 * 1024 + 1, 'zlib ');
    const small = makePack([
      { type: 'blob', body: large },
      { type: 'blob', body: 'next\n' },
    ]);
    const idx = await indexWithGit(small);
    const end = readPack(small)[1]?.offset ?? 0;
    const around = (at: number) => Array.from({ length: 24 }, (_, i) => at - 12 + i);
    for (const cut of [...around(24), ...around(end), ...around(small.length - 20)]) {
      expect({ cut, idx: (await ingest(small, { chunk: cutAt(cut) })).idx }).toEqual({ cut, idx });
    }
  });
});

test('An ingest reports its progress', async () => {
  const pack = makePack(
    Array.from({ length: 30 }, (_, i) => ({ type: 'blob', body: seededBytes(i, 200_000) })),
  );
  const seen: IngestProgress[] = [];
  await ingestPack(inChunks(pack, 65536), await directory(), LIMITS, {
    onProgress: (progress) => seen.push(progress),
  });
  const receiving = seen.filter(({ phase }) => phase === 'receiving');
  expect(receiving).toHaveLength(5);
  expect(receiving.every(({ totalObjects }) => totalObjects === 30)).toBe(true);
  const bytes = seen.map(({ receivedBytes }) => receivedBytes);
  expect(bytes).toEqual(bytes.toSorted((a, b) => a - b));
  expect(seen.at(-1)).toEqual({
    phase: 'resolving',
    receivedBytes: pack.length,
    receivedObjects: 30,
    totalObjects: 30,
  });
});

test('An ingest writes read-only files, which git accepts', async () => {
  const repository = join(await directory(), 'bare.git');
  await git('.', 'init', '--quiet', '--bare', repository);
  const packs = join(repository, 'objects/pack');
  const pack = makePack([{ type: 'blob', body: 'hello\n' }]);
  const { name } = await ingestPack(inChunks(pack, 100), packs, LIMITS);
  for (const ending of ['idx', 'pack']) {
    expect((await stat(join(packs, `${name}.${ending}`))).mode & 0o777).toBe(0o444);
  }
  expect(await git(repository, 'cat-file', 'blob', objectId('blob', Buffer.from('hello\n')))).toBe(
    'hello',
  );
  await git(repository, 'fsck', '--full', '--strict');
});

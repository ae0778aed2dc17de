import { makeDelta } from '../support/delta.js';
import { makePack, type PackEntry } from '../support/hostile-pack.js';
import { objectId } from '../support/object-id.js';
import { seededBytes } from '../support/random.js';
import { deflatedZeros } from './hand-made-packs.js';
import { ingestAlone } from './ingest-alone.js';
import { ingest, refusal } from './ingesting.js';

const MIB = 1024 * 1024;

const overLimit = expect.objectContaining({ name: 'SnapshotError', code: 'LIMIT_EXCEEDED' });

const BLOB = Buffer.from('the blob that deltas build on\n');
const SMALL: PackEntry[] = [
  { type: 'blob', body: BLOB },
  { type: 'ofs-delta', base: 0, body: makeDelta(BLOB.length, 8, [{ copy: [4, 8] }]) },
  { type: 'commit', body: 'not much of a commit\n' },
];

describe('An ingest enforces', () => {
  const LARGE = 2 * MIB;
  const base: PackEntry = { type: 'blob', body: BLOB };
  /** Inflated, it is larger than what is held while it arrives. */
  const longDelta = makeDelta(
    BLOB.length,
    LARGE / 2,
    Array.from({ length: LARGE / 2 }, () => ({ copy: [0, 1] as [number, number] })),
  );

  test.each<[string, PackEntry, number]>([
    ['what is kept whole', { type: 'blob', body: Buffer.alloc(1000) }, 1000],
    ['large objects', { type: 'blob', body: Buffer.alloc(LARGE) }, LARGE],
    [
      'deltas',
      { type: 'ofs-delta', base: 0, body: makeDelta(BLOB.length, 8, [{ copy: [4, 8] }]) },
      8,
    ],
    [
      'deltas whose base is given by id',
      {
        type: 'ref-delta',
        base: objectId('blob', BLOB),
        body: makeDelta(BLOB.length, 8, [{ copy: [4, 8] }]),
      },
      8,
    ],
    ['large deltas', { type: 'ofs-delta', base: 0, body: longDelta }, LARGE / 2],
  ])('maxResolvedBytes, of %s', async (_name, entry, bytes) => {
    const pack = makePack([base, entry]);
    const total = BLOB.length + bytes;
    await ingest(pack, { maxResolvedBytes: total });
    expect(await refusal(pack, { maxResolvedBytes: total - 1 })).toEqual(overLimit);
  });

  test('maxResolvedBytes, also for bases that are made again', async () => {
    const bytes = 64 * 1024;
    const other = (i: number) =>
      makeDelta(bytes, bytes, [
        { insert: Buffer.from(`${i}`.padEnd(8)) },
        { copy: [8, bytes - 8] },
      ]);
    const entries: PackEntry[] = [{ type: 'blob', body: Buffer.alloc(bytes) }];
    for (let i = 1, last = 0; i < 200; i += 2) {
      entries.push({ type: 'ofs-delta', base: last, body: other(i) });
      entries.push({ type: 'ofs-delta', base: last, body: other(i + 1) });
      last = i + 1;
    }
    const pack = makePack(entries);
    const limits = { maxResolvedBytes: 2 * entries.length * bytes, indexThreads: 1 };
    await ingest(pack, limits);
    expect(await refusal(pack, { ...limits, deltaCacheBytes: 0 })).toEqual(overLimit);
  });

  test('maxExpansionRatio, before the deltas of a bomb are applied', async () => {
    const piece = 16 * MIB - 1;
    const copies = Array.from({ length: 31 }, () => ({ copy: [0, piece] as [number, number] }));
    const bomb = (deltas: number) => {
      const body = makeDelta(piece, 31 * piece, copies);
      const delta: PackEntry = { type: 'ofs-delta', base: 0, body };
      return makePack([
        { type: 'blob', body: Buffer.alloc(piece) },
        ...Array.from({ length: deltas }, () => delta),
      ]);
    };
    const limits = { maxResolvedBytes: 1e12, maxObjectBytesInMemory: 1e9 };
    expect(await refusal(bomb(1000), limits)).toMatchObject({
      code: 'LIMIT_EXCEEDED',
      message: expect.stringContaining('maxExpansionRatio'),
    });
    await ingest(makePack(twins(1000)), { maxExpansionRatio: 1 });
  });

  const twins = (bytes: number): PackEntry[] => [
    { type: 'blob', body: seededBytes(1, bytes) },
    { type: 'ofs-delta', base: 0, body: makeDelta(bytes, bytes - 1, [{ copy: [0, bytes - 1] }]) },
  ];

  test('maxObjects, before any object has arrived', async () => {
    const pack = makePack(SMALL);
    await ingest(pack, { maxObjects: SMALL.length });
    expect(await refusal(pack, { maxObjects: SMALL.length - 1 })).toEqual(overLimit);
    expect(await refusal(pack.subarray(0, 12), { maxObjects: SMALL.length - 1 })).toEqual(
      overLimit,
    );
  });

  test('maxPackBytes, while the pack arrives', async () => {
    const pack = makePack([{ type: 'blob', body: seededBytes(1, 5 * MIB) }]);
    await ingest(pack, { maxPackBytes: pack.length });
    expect(await refusal(pack, { maxPackBytes: pack.length - 1 })).toEqual(overLimit);
    const cut = pack.subarray(0, 2 * MIB);
    expect(await refusal(cut, { maxPackBytes: MIB })).toEqual(overLimit);
  });

  test.each([100, 3 * MIB])('maxObjectBytes, for an object of %d bytes', async (bytes) => {
    const pack = makePack([{ type: 'blob', body: Buffer.alloc(bytes) }]);
    await ingest(pack, { maxObjectBytes: bytes });
    expect(await refusal(pack, { maxObjectBytes: bytes - 1 })).toEqual(overLimit);
    expect(await refusal(pack.subarray(0, 20), { maxObjectBytes: bytes - 1 })).toEqual(overLimit);
  });

  test('maxObjectBytesInMemory, for bases, deltas and their results only', async () => {
    const pack = makePack(twins(1000));
    await ingest(pack, { maxObjectBytesInMemory: 1000 });
    expect(await refusal(pack, { maxObjectBytesInMemory: 999 })).toEqual(overLimit);
    const small = { type: 'blob', body: 'x' } as const;
    const large = seededBytes(2, 1000);
    const grown = makePack([
      small,
      { type: 'ofs-delta', base: 0, body: makeDelta(1, 1000, [{ insert: large }]) },
    ]);
    await ingest(grown, { maxObjectBytesInMemory: 1100 });
    expect(await refusal(grown, { maxObjectBytesInMemory: 999 })).toEqual(overLimit);
    const wasteful = Array.from({ length: 500 }, () => ({ copy: [0, 1] as [number, number] }));
    const delta = makeDelta(1, 500, wasteful);
    const longDelta = makePack([small, { type: 'ofs-delta', base: 0, body: delta }]);
    await ingest(longDelta, { maxObjectBytesInMemory: delta.length });
    expect(await refusal(longDelta, { maxObjectBytesInMemory: delta.length - 1 })).toEqual(
      overLimit,
    );
    await ingest(makePack([{ type: 'blob', body: large }]), { maxObjectBytesInMemory: 10 });
  });
});

describe('An ingest does not allocate', () => {
  const GIB = 1024 * MIB;
  const huge = { maxObjectBytes: 8 * GIB, maxObjectBytesInMemory: 2 * GIB - 1 };
  const base: PackEntry = { type: 'blob', body: BLOB };
  const result = makeDelta(BLOB.length, 1.9 * GIB, [{ copy: [0, 4] }]);
  const BOMB = 256;
  let bomb: Buffer;
  let usual: number;

  beforeAll(async () => {
    bomb = await deflatedZeros(BOMB);
    usual = (await ingestAlone(makePack(SMALL))).peak;
  });

  test.each<[string, Buffer]>([
    ['a declared blob of 4 GiB', makePack([{ type: 'blob', body: 'x', declaredSize: 4 * GIB }])],
    [
      'a declared delta of 4 GiB',
      makePack([base, { type: 'ofs-delta', base: 0, body: 'x', declaredSize: 4 * GIB }]),
    ],
    [
      'a declared result of 1.9 GiB',
      makePack([base, { type: 'ofs-delta', base: 0, body: result }]),
    ],
    ['900,000 declared objects', makePack(SMALL, { count: 900_000 })],
  ])('%s', (_, pack) => expectLittleMemory(pack));

  test.each([10, 2 * MIB])(
    'what a stream inflates to beyond its declared %d bytes',
    (declaredSize) =>
      expectLittleMemory(makePack([{ type: 'blob', body: '', declaredSize, deflated: bomb }])),
  );

  async function expectLittleMemory(pack: Buffer): Promise<void> {
    const { ended, peak } = await ingestAlone(pack, huge);
    expect(ended).toBe('UPSTREAM_INVALID');
    expect(peak).toBeLessThan(usual + 48);
  }

  test('the whole of a large blob that is sound', async () => {
    const declaredSize = BOMB * MIB;
    const pack = makePack([{ type: 'blob', body: '', declaredSize, deflated: bomb }]);
    const { ended, peak } = await ingestAlone(pack, huge);
    expect(ended).toBe('done');
    expect(peak).toBeLessThan(usual + BOMB / 2);
  });
});

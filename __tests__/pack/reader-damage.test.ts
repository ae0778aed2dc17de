import { join } from 'node:path';
import { SnapshotError } from '../../lib/errors.js';
import { encodeIdx } from '../../lib/pack/encode-idx.js';
import { PACK_HEADER_BYTES } from '../../lib/pack/format.js';
import { ObjectMemory } from '../../lib/pack/object-memory.js';
import { ObjectTable } from '../../lib/pack/object-table.js';
import { ObjectReader } from '../../lib/pack/reader.js';
import { makeDelta } from '../support/delta.js';
import { makePack } from '../support/hostile-pack.js';
import { objectId } from '../support/object-id.js';
import { openFiles } from '../support/process-resources.js';
import { readPack } from '../support/read-pack.js';
import { cleanup } from '../support/temporary-directory.js';
import { addBlob, ingest, whole } from './ingesting.js';
import { storePack } from './stored-pack.js';

const memory = new ObjectMemory(0);

const { directory } = cleanup(afterEach);
const LIMITS = { deltaCacheBytes: 100, maxObjectBytesInMemory: 1024 * 1024 };
const NAME = 'pack-damaged';

const A = Buffer.from('the first of a few objects\n');
const B = Buffer.concat([A.subarray(0, 9), Buffer.from(' child\n')]);
const C = Buffer.concat([B.subarray(0, 4), Buffer.from('grandchild\n')]);
const LONG = Buffer.alloc(300, 'long ');
const BODIES = [A, B, C, LONG, Buffer.alloc(0)];
const OIDS = BODIES.map((body) => objectId('blob', body));

let pack: Buffer;
let idx: Buffer;
let path: string;

beforeEach(async () => {
  path = await directory();
  ({ pack, idx } = await ingest(
    makePack([
      { type: 'blob', body: A },
      {
        type: 'ofs-delta',
        base: 0,
        body: makeDelta(A.length, B.length, [{ copy: [0, 9] }, { insert: B.subarray(9) }]),
      },
      {
        type: 'ref-delta',
        base: objectId('blob', B),
        body: makeDelta(B.length, C.length, [{ copy: [0, 4] }, { insert: C.subarray(4) }]),
      },
      { type: 'blob', body: LONG },
      { type: 'blob', body: '' },
    ]),
  ));
});

/**
 * Reads all objects in all ways. Each object has to be right, or be refused with a code for damage.
 *
 * @returns how many objects could be read.
 */
async function readAll(files: { pack: Uint8Array; idx: Uint8Array }): Promise<number> {
  await storePack(path, NAME, files);
  let reader: ObjectReader;
  try {
    reader = new ObjectReader([join(path, NAME)], LIMITS, memory);
  } catch (error) {
    expectDamage(error);
    return 0;
  }
  let read = 0;
  for (const [i, oid] of OIDS.entries()) {
    try {
      expectBody(reader.read(oid).data, i);
      read++;
    } catch (error) {
      expectDamage(error);
    }
    try {
      reader.typeOf(oid);
    } catch (error) {
      expectDamage(error);
    }
    try {
      const located = reader.locate(oid);
      if (located?.wholeSize === undefined) continue;
      const pieces: Buffer[] = [];
      for await (const piece of located.pack.stream(located.offset, oid)) pieces.push(piece);
      expectBody(Buffer.concat(pieces), i);
    } catch (error) {
      expectDamage(error);
    }
  }
  reader.close();
  return read;
}

/** As `expect` of both, which takes far longer. */
function expectBody(data: Buffer, i: number): void {
  if (!data.equals(BODIES[i] ?? data.subarray(1))) throw new Error(`wrong content of object ${i}`);
}

function expectDamage(error: unknown): void {
  if (!(error instanceof SnapshotError)) throw error;
  expect(error.code).toMatch(/^(MIRROR_CORRUPTED|UPSTREAM_INVALID|LIMIT_EXCEEDED)$/);
}

/** Copies with one bit changed: each `step`-th bit of all. */
function* flipped(bytes: Buffer, step = 3): Generator<Buffer> {
  for (let bit = 0; bit < bytes.length * 8; bit += step) {
    const copy = Buffer.from(bytes);
    const at = bit >> 3;
    copy.writeUInt8(copy.readUInt8(at) ^ (1 << (bit & 7)), at);
    yield copy;
  }
}

test('A reader reads everything of sound files', async () => {
  expect(await readAll({ pack, idx })).toBe(OIDS.length);
});

describe('A reader never gives wrong content when there is damage to', () => {
  test('any byte of the pack', async () => {
    const counts: number[] = [];
    for (const damaged of flipped(pack)) counts.push(await readAll({ pack: damaged, idx }));
    // The reader does not look at a pack's header and trailer, and zlib has bits without meaning.
    const harmless = counts.filter((count) => count === OIDS.length);
    expect(harmless.length).toBeLessThan(3 * 32 + 20);
  });

  test('the end of the pack', async () => {
    for (let length = 0; length < pack.length - 20; length++) {
      expect(await readAll({ pack: pack.subarray(0, length), idx })).toBeLessThan(OIDS.length);
    }
  });

  test('any byte of the idx', async () => {
    const counts = new Set<number>();
    for (const damaged of flipped(idx, 29)) counts.add(await readAll({ pack, idx: damaged }));
    expect(counts).toContain(0);
    expect(counts).toContain(OIDS.length - 1);
  });

  test('the end of the idx', async () => {
    for (let length = 0; length < idx.length; length += 5) {
      expect(await readAll({ pack, idx: idx.subarray(0, length) })).toBe(0);
    }
  });
});

test('A reader reports a damaged entry as damage on disk, not as a fault of the upstream', async () => {
  const damaged = Buffer.from(pack);
  damaged.fill(0xff, PACK_HEADER_BYTES + 4, PACK_HEADER_BYTES + 8);
  await storePack(path, NAME, { pack: damaged, idx });
  const reader = new ObjectReader([join(path, NAME)], LIMITS, memory);
  const error = expect.objectContaining({ code: 'MIRROR_CORRUPTED' });
  expect(() => reader.read(objectId('blob', A))).toThrow(error);
  reader.close();
});

describe('A reader refuses an idx', () => {
  const damaged = expect.objectContaining({ code: 'MIRROR_CORRUPTED' });

  test.each<[string, (bytes: Buffer) => Buffer]>([
    ['of no bytes', () => Buffer.alloc(0)],
    ['of version 1', (bytes) => bytes.subarray(8)],
    ['of version 3', (bytes) => changed(bytes, 4, 3)],
    ['with another magic', (bytes) => changed(bytes, 0, 0xff744f64)],
    ['with more objects than it has room for', (bytes) => changed(bytes, 8 + 255 * 4, 6)],
    ['with 4 thousand million objects', (bytes) => changed(bytes, 8 + 255 * 4, 0xffffffff)],
  ])('%s', async (_, damage) => {
    await storePack(path, NAME, { pack, idx: damage(idx) });
    expect(() => new ObjectReader([join(path, NAME)], LIMITS, memory)).toThrow(damaged);
    expect(await openFiles(path)).toEqual([]);
  });

  test.each([0x8000_0000, 0xffff_ffff])('with offset %d beyond its table', async (offset) => {
    const offsetsAt = 8 + 1024 + OIDS.length * 24;
    await storePack(path, NAME, { pack, idx: changed(idx, offsetsAt, offset) });
    const reader = new ObjectReader([join(path, NAME)], LIMITS, memory);
    const first = OIDS.toSorted()[0] ?? '';
    expect(() => reader.read(first)).toThrow(damaged);
    reader.close();
  });

  function changed(bytes: Buffer, at: number, value: number): Buffer {
    const copy = Buffer.from(bytes);
    copy.writeUInt32BE(value, at);
    return copy;
  }
});

test('A reader refuses deltas whose bases form a cycle', async () => {
  const body = makeDelta(4, 4, [{ copy: [0, 4] }]);
  const [one, two] = ['11'.repeat(20), '22'.repeat(20)] as const;
  const circle = makePack([
    { type: 'ref-delta', base: two, body },
    { type: 'ref-delta', base: one, body },
    { type: 'ofs-delta', base: 2, distance: 0, body },
  ]);
  const oids = [one, two, '33'.repeat(20)];
  const table = new ObjectTable(oids.length);
  for (const [i, { offset }] of readPack(circle).entries()) {
    addBlob(table, offset, 0, Buffer.from(oids[i] ?? '', 'hex'));
  }
  const files = {
    pack: circle,
    idx: whole(encodeIdx(table.finish(circle.length - 20), circle.subarray(-20))),
  };
  await storePack(join(path, 'circle'), NAME, files);
  const reader = new ObjectReader([join(path, 'circle', NAME)], LIMITS, memory);
  for (const oid of oids) {
    expect(() => reader.read(oid)).toThrow(expect.objectContaining({ code: 'MIRROR_CORRUPTED' }));
    expect(() => reader.typeOf(oid)).toThrow(expect.objectContaining({ code: 'MIRROR_CORRUPTED' }));
  }
  reader.close();
});

import { basename, dirname, join } from 'node:path';
import { objectTypeName } from '../../lib/git/object.js';
import type { ReaderLimits } from '../../lib/pack/limits.js';
import { ObjectMemory } from '../../lib/pack/object-memory.js';
import { ObjectReader } from '../../lib/pack/reader.js';
import { makePack } from '../support/hostile-pack.js';
import { deepChain } from '../support/hostile-packs.js';
import { buildKitchenSink } from '../support/kitchen-sink.js';
import { objectId } from '../support/object-id.js';
import { openFiles } from '../support/process-resources.js';
import { cleanup } from '../support/temporary-directory.js';
import { ingest, ingestRepository, packOf } from './ingesting.js';
import { type KnownObject, objectsOf, storePack } from './stored-pack.js';

const memory = new ObjectMemory(0);

const shared = cleanup(afterAll);
const { directory, defer } = cleanup(afterEach);
const MIB = 1024 * 1024;
const ROOMY = { deltaCacheBytes: 32 * MIB, maxObjectBytesInMemory: 64 * MIB };

let packs: string;
let name: string;
let objects: KnownObject[];

beforeAll(async () => {
  const repository = join(await shared.directory(), 'sink.git');
  await buildKitchenSink(repository, { largeBytes: 9 * MIB });
  packs = dirname(await packOf(repository));
  name = await ingestRepository(repository, join(await shared.directory(), 'ingested'));
  expect(`${name}.pack`).toBe(basename(await packOf(repository)));
  objects = await objectsOf(repository);
});

function openReader(
  directory: string,
  names: readonly string[],
  limits: ReaderLimits,
): ObjectReader {
  const reader = new ObjectReader(
    names.map((each) => join(directory, each)),
    limits,
    memory,
  );
  defer(() => reader.close());
  return reader;
}

async function concat(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}

describe('A reader reads what git reads', () => {
  test.each([0, 1000, 32 * MIB])('with %d bytes to keep bases', async (deltaCacheBytes) => {
    const reader = openReader(packs, [name], { ...ROOMY, deltaCacheBytes });
    expect(objects.length).toBeGreaterThan(100);
    for (const { oid, type, data } of objects) {
      const object = reader.read(oid);
      expect({ oid, type: objectTypeName(object.type) }).toEqual({ oid, type });
      expect(object.data.equals(data)).toBe(true);
      expect(objectTypeName(reader.typeOf(oid))).toBe(type);
    }
  });

  test('in a stream, for objects that are stored whole', async () => {
    const reader = openReader(packs, [name], { ...ROOMY, maxObjectBytesInMemory: 1 });
    let whole = 0;
    for (const { oid, data } of objects) {
      const located = reader.locate(oid);
      if (located === undefined) throw new Error(`${oid} is not there`);
      if (located.wholeSize === undefined) continue;
      expect(located.wholeSize).toBe(data.length);
      expect((await concat(located.pack.stream(located.offset, oid))).equals(data)).toBe(true);
      whole++;
    }
    expect(whole).toBeGreaterThan(100);
    expect(whole).toBeLessThan(objects.length);
  });

  test('from several packs', async () => {
    const path = await directory();
    const bodies = [1, 2, 3].map((n) => Buffer.from(`in pack ${n}\n`));
    const names: string[] = [];
    for (const body of bodies) {
      const made = await ingest(makePack([{ type: 'blob', body }]));
      await storePack(path, made.name, made);
      names.push(made.name);
    }
    const reader = openReader(path, names, ROOMY);
    for (const body of bodies) expect(reader.read(objectId('blob', body)).data).toEqual(body);
  });
});

test('A reader reads the end of a chain of 10,000 deltas without any memory for bases', async () => {
  const path = await directory();
  const made = await ingest(deepChain(10_000).pack);
  await storePack(path, made.name, made);
  const reader = openReader(path, [made.name], { ...ROOMY, deltaCacheBytes: 0 });
  const last = Buffer.from('link 00010000\n');
  expect(reader.read(objectId('blob', last)).data).toEqual(last);
  expect(objectTypeName(reader.typeOf(objectId('blob', last)))).toBe('blob');
});

test('A reader reports an object that is not there', () => {
  const reader = openReader(packs, [name], ROOMY);
  for (const oid of ['00'.repeat(20), 'ff'.repeat(20), '0123456789'.repeat(4)]) {
    expect(reader.locate(oid)).toBeUndefined();
    const missing = expect.objectContaining({ code: 'UPSTREAM_INVALID' });
    expect(() => reader.read(oid)).toThrow(missing);
    expect(() => reader.typeOf(oid)).toThrow(missing);
  }
});

test('A reader refuses to hold an object that is over the limit', async () => {
  const base = Buffer.alloc(1000, 'x');
  const made = await ingest(makePack([{ type: 'blob', body: base }]));
  const path = await storePack(await directory(), made.name, made);
  const oid = objectId('blob', base);
  expect(
    openReader(path, [made.name], { ...ROOMY, maxObjectBytesInMemory: 1000 }).read(oid).data,
  ).toEqual(base);
  const reader = openReader(path, [made.name], { ...ROOMY, maxObjectBytesInMemory: 999 });
  expect(() => reader.read(oid)).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }));
});

describe('A reader closes its files', () => {
  test('once it is closed', () =>
    closesFiles(() => new ObjectReader([join(packs, name)], ROOMY, memory).close()));

  test('when one of them is missing', async () => {
    const nothing = 'pack-'.padEnd(45, '0');
    await closesFiles(() => {
      expect(
        () => new ObjectReader([join(packs, name), join(packs, nothing)], ROOMY, memory),
      ).toThrow('ENOENT');
    });
  });

  test('and does not read after that', () => {
    const reader = new ObjectReader([join(packs, name)], ROOMY, memory);
    const [first] = objects;
    reader.close();
    reader.close();
    expect(() => reader.read(first?.oid ?? '')).toThrow();
  });

  async function closesFiles(work: () => void): Promise<void> {
    work();
    expect(await openFiles(packs)).toEqual([]);
  }
});

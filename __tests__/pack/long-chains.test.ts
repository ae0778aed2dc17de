import { join } from 'node:path';
import { ObjectMemory } from '../../lib/pack/object-memory.js';
import { PackFile } from '../../lib/pack/pack-file.js';
import { ObjectReader } from '../../lib/pack/reader.js';
import { makeDelta } from '../support/delta.js';
import { makePack, type PackEntry } from '../support/hostile-pack.js';
import { objectId } from '../support/object-id.js';
import { SeededRandom } from '../support/random.js';
import { cleanup } from '../support/temporary-directory.js';
import { ingest } from './ingesting.js';
import { storePack } from './stored-pack.js';

/**
 * Packs whose objects are one chain of deltas, far longer than git makes them: what is read of these takes no more
 * work than a multiple of what is read.
 */

const KIB = 1024;
const MIB = 1024 * KIB;
const memory = new ObjectMemory(0);
const { directory, defer } = cleanup(afterEach);

afterEach(() => {
  jest.restoreAllMocks();
});

/** Blobs that differ in their first 8 bytes, each made of the one before. */
async function openChain(length: number, bytes: number, deltaCacheBytes: number) {
  const body = (n: number) => {
    const content = Buffer.alloc(bytes, 'x');
    content.write(String(n).padStart(8, '0'));
    return content;
  };
  const entries: PackEntry[] = [{ type: 'blob', body: body(0) }];
  for (let n = 1; n < length; n++) {
    const changed = String(n).padStart(8, '0');
    const delta = makeDelta(bytes, bytes, [{ insert: changed }, { copy: [8, bytes - 8] }]);
    entries.push({ type: 'ofs-delta', base: n - 1, body: delta });
  }
  const made = await ingest(makePack(entries));
  const path = await storePack(await directory(), made.name, made);
  const limits = { deltaCacheBytes, maxObjectBytesInMemory: 64 * MIB };
  const reader = new ObjectReader([join(path, made.name)], limits, memory);
  defer(() => reader.close());
  return { reader, idOf: (n: number) => objectId('blob', body(n)) };
}

function shuffled(length: number): number[] {
  const random = new SeededRandom(1);
  const order = Array.from({ length }, (_, n) => n);
  return order
    .map((n) => ({ n, key: random.below(2 ** 31) }))
    .sort((a, b) => a.key - b.key)
    .map(({ n }) => n);
}

test('The types and the ends of a chain of 5,000 deltas are found by looking at each a few times', async () => {
  const { reader, idOf } = await openChain(5000, 100, MIB);
  const looks = jest.spyOn(PackFile.prototype, 'entryHeader');
  for (const n of shuffled(5000)) expect(reader.typeOf(idOf(n))).toBe(3);
  const end = reader.locate(idOf(0))?.offset;
  for (let n = 0; n < 5000; n++) {
    expect(reader.chainEndOf(reader.numberOf(idOf(n)) ?? -1)).toBe(end);
  }
  expect(looks.mock.calls.length).toBeLessThan(5000 * 2 * 40);
});

test.each<[string, number[]]>([
  ['from its end to its start', shuffled(3000).sort((a, b) => b - a)],
  ['in no order', shuffled(3000)],
])('All of a chain is read %s, though little of it fits into memory', async (_name, order) => {
  const { reader, idOf } = await openChain(3000, KIB, 512 * KIB);
  const inflated = jest.spyOn(PackFile.prototype, 'inflate');
  for (const n of order) {
    expect(reader.read(idOf(n)).data.toString('latin1', 0, 8)).toBe(String(n).padStart(8, '0'));
  }
  expect(inflated.mock.calls.length).toBeLessThan(3000 * 150);
});

test('An object that takes far more work than its bytes is refused, however small its pack', async () => {
  const { reader, idOf } = await openChain(400, 8 * MIB, MIB);
  const inflated = jest.spyOn(PackFile.prototype, 'inflate');
  const readAll = () => {
    for (let n = 399; n >= 0; n--) reader.read(idOf(n));
  };
  const refused = expect.objectContaining({
    code: 'LIMIT_EXCEEDED',
    message: expect.stringContaining('chains of deltas'),
  });
  expect(readAll).toThrow(refused);
  expect(inflated.mock.calls.length).toBeLessThan(1000);
  expect(() => reader.read(idOf(399))).toThrow(refused);
});

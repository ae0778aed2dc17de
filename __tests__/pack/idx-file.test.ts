import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { IdxFile } from '../../lib/pack/idx-file.js';
import { SeededRandom } from '../support/random.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);

/** gitformat-pack(5), version 2: offset 12 for the first of the ids, which are sorted, 13 for the next. */
async function openIdx(oids: readonly Buffer[]): Promise<IdxFile> {
  const header = Buffer.alloc(8 + 1024);
  header.writeUInt32BE(0xff744f63, 0);
  header.writeUInt32BE(2, 4);
  for (let byte = 0; byte < 256; byte++) {
    const upTo = oids.filter((oid) => oid.readUInt8() <= byte).length;
    header.writeUInt32BE(upTo, 8 + byte * 4);
  }
  const offsets = Buffer.alloc(oids.length * 4);
  for (const i of oids.keys()) offsets.writeUInt32BE(12 + i, i * 4);
  const path = join(await directory(), 'pack.idx');
  const sums = Buffer.alloc(oids.length * 4);
  await writeFile(path, Buffer.concat([header, ...oids, sums, offsets, Buffer.alloc(40)]));
  const idx = new IdxFile(path);
  defer(() => idx.close());
  return idx;
}

/** Ids with even last bytes: those with odd ones lie between them. */
function sortedOids(count: number, firstByte: (random: SeededRandom) => number): Buffer[] {
  const random = new SeededRandom(count);
  const oids = Array.from({ length: count }, () => {
    const oid = Buffer.from(Array.from({ length: 20 }, () => random.below(256)));
    oid[0] = firstByte(random);
    oid[19] = random.below(128) * 2;
    return oid;
  });
  return oids.sort(Buffer.compare);
}

test.each([
  ['none', 0, () => 0],
  ['one', 1, () => 0],
  ['few of each first byte', 300, (random: SeededRandom) => random.below(256)],
  ['many of one first byte, the last one', 5000, () => 255],
  ['many of one first byte, the first one', 1001, () => 0],
  ['many of each of two', 4000, (random: SeededRandom) => 7 + random.below(2)],
] as const)('An idx finds each of its ids, and no other: %s', async (_, count, firstByte) => {
  const oids = sortedOids(count, firstByte);
  const idx = await openIdx(oids);
  expect(idx.count).toBe(count);
  expect([...idx.offsets()]).toEqual(oids.map((_, i) => 12 + i));
  // One expectation for all: an expectation takes more time and memory than a search.
  const numbers = [...oids.keys()];
  const offsets = numbers.map((i) => 12 + i);
  expect(oids.map((oid) => idx.find(oid))).toEqual(offsets);
  expect(oids.map((oid) => idx.positionOf(Buffer.concat([Buffer.alloc(3), oid]), 3))).toEqual(
    numbers,
  );
  expect(numbers.map((i) => idx.oidAt(i).toString('hex'))).toEqual(
    oids.map((oid) => oid.toString('hex')),
  );
  expect(numbers.map((i) => idx.offsetAt(i))).toEqual(offsets);
  const neighbours = oids.flatMap((oid) =>
    [-1, 1].map((step) => {
      const neighbour = Buffer.from(oid);
      neighbour.writeUInt8((neighbour.readUInt8(19) + step) & 0xff, 19);
      return neighbour;
    }),
  );
  expect(neighbours.filter((neighbour) => idx.find(neighbour) !== undefined)).toEqual([]);
  for (const byte of [0, 7, 8, 100, 255]) {
    expect(idx.find(Buffer.alloc(20, byte))).toBeUndefined();
    expect(idx.find(Buffer.concat([Buffer.of(byte), Buffer.alloc(19, 0xff)]))).toBeUndefined();
  }
});

test('Of objects with one id the first is found, however many there are', async () => {
  for (const [before, same, after] of [
    [0, 2, 0],
    [1, 1000, 1],
    [700, 5, 700],
    [128, 129, 500],
  ] as const) {
    const others = sortedOids(before + after, () => 5);
    const [low, high] = [others.slice(0, before), others.slice(before)];
    const repeated = low.at(-1) ?? Buffer.alloc(20, 4);
    const idx = await openIdx([...low, ...Array(same).fill(repeated), ...high]);
    expect(idx.positionOf(repeated)).toBe(before === 0 ? 0 : before - 1);
  }
});

test('Ids that are spread unevenly are found', async () => {
  const oids = sortedOids(3000, () => 5);
  for (const [i, oid] of oids.entries()) oid.writeUInt16BE(i < 2900 ? 3 : 0xfff0 + (i % 8), 1);
  oids.sort(Buffer.compare);
  const idx = await openIdx(oids);
  expect(oids.map((oid) => idx.find(oid))).toEqual(oids.map((_, i) => 12 + i));
});

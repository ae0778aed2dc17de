import { closeSync, openSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { Dispatcher } from '../../lib/pack/dispatcher.js';
import { encodeIdx } from '../../lib/pack/encode-idx.js';
import { ObjectMemory } from '../../lib/pack/object-memory.js';
import { ObjectTable, type ScannedObjects } from '../../lib/pack/object-table.js';
import { ringBytes } from '../../lib/pack/recent-objects.js';
import { ResolverPool } from '../../lib/pack/resolver-pool.js';
import { PackScanner } from '../../lib/pack/scan.js';
import { makePack } from '../support/hostile-pack.js';
import { seededBytes } from '../support/random.js';
import { readPack } from '../support/read-pack.js';
import { cleanup } from '../support/temporary-directory.js';
import { addBlob, indexWithGit, LIMITS, whole } from './ingesting.js';

const { directory } = cleanup(afterEach);

const CHECKSUM = Buffer.alloc(20, 7);

/** Objects with the given ids, 100 bytes apart. */
function tableOf(oids: readonly Uint8Array[], distance = 100): ScannedObjects {
  const table = new ObjectTable(oids.length);
  for (const [i, oid] of oids.entries()) addBlob(table, 12 + i * distance, i, oid);
  return table.finish(12 + oids.length * distance);
}

describe('The table of 64-bit offsets', () => {
  const pack = makePack(
    Array.from({ length: 300 }, (_, i) => ({ type: 'blob', body: seededBytes(i, 10 + i) })),
  );
  const offsets = readPack(pack).map(({ offset }) => offset);

  async function scanned() {
    const path = join(await directory(), 'a.pack');
    await writeFile(path, pack);
    const fd = openSync(path, 'r');
    try {
      const pool = new ResolverPool();
      const memory = new ObjectMemory(ringBytes(LIMITS.deltaCacheBytes));
      const scanner = new PackScanner(LIMITS, memory, (columns) => {
        return new Dispatcher({ fd, columns, limits: LIMITS, memory, pool });
      });
      await scanner.push(pack);
      return await scanner.finish();
    } finally {
      closeSync(fd);
    }
  }

  test.each([0, 1, 150, 299])('of an idx is as git writes it from object %d on', async (object) => {
    const first = offsets[object] ?? 0;
    const result = await scanned();
    // git names the last offset that is small, we the first that is large.
    const limit = `0x${(first - 1).toString(16)}`;
    const expected = await indexWithGit(pack, `--index-version=2,${limit}`);
    expect(expected).toBeDefined();
    expect(whole(encodeIdx(result, result.checksum, first))).toEqual(expected);
    expect(whole(encodeIdx(result, result.checksum, first + 1))).not.toEqual(expected);
  });

  test('of an idx begins at offsets of 2 GiB', () => {
    const oids = [3, 1, 2].map((n) => Buffer.alloc(20, n));
    const table = new ObjectTable(oids.length);
    const at = [0x7fff_ffff, 0x8000_0000, 5 * 2 ** 32];
    for (const [i, oid] of oids.entries()) addBlob(table, at[i] ?? 0, i, oid);
    const idx = whole(encodeIdx(table.finish(6 * 2 ** 32), CHECKSUM));
    const offsetsAt = 8 + 1024 + 3 * 24;
    const small = [0, 1, 2].map((i) => idx.readUInt32BE(offsetsAt + i * 4));
    expect(small).toEqual([0x8000_0000, 0x8000_0001, 0x7fff_ffff]);
    const large = [0, 1].map((i) => idx.readBigUInt64BE(offsetsAt + 12 + i * 8));
    expect(large).toEqual([0x8000_0000n, 5n * 2n ** 32n]);
    expect(idx).toHaveLength(offsetsAt + 12 + 16 + 40);
  });
});

test('The ids of an idx are sorted, however alike they are', () => {
  const byte = fc.integer({ min: 0, max: 255 });
  const oid = fc
    .tuple(fc.constantFrom(0, 1, 127, 128, 255), fc.constantFrom(0, 255), byte, byte)
    .map(([first, second, third, last]) => {
      const bytes = Buffer.alloc(20, third);
      bytes.set([first, second]);
      bytes[19] = last;
      return bytes;
    });
  const oids = fc.uniqueArray(oid, { selector: (bytes) => bytes.toString('hex'), maxLength: 200 });
  fc.assert(
    fc.property(oids, (given) => {
      const idx = whole(encodeIdx(tableOf(given), CHECKSUM));
      const sorted = given.toSorted(Buffer.compare);
      expect(idx.subarray(1032, 1032 + given.length * 20)).toEqual(Buffer.concat(sorted));
      for (let first = 0; first < 256; first++) {
        const atMost = given.filter((bytes) => (bytes[0] ?? 0) <= first).length;
        expect(idx.readUInt32BE(8 + first * 4)).toBe(atMost);
      }
    }),
    { numRuns: 50, seed: 1 },
  );
});

test('An idx with the same id twice is refused', () => {
  const oids = [1, 2, 1, 1].map((n) => Buffer.alloc(20, n));
  const idx = whole(encodeIdx(tableOf(oids), CHECKSUM));
  const offsets = [0, 1, 2, 3].map((i) => idx.readUInt32BE(1032 + 4 * 24 + i * 4));
  expect(offsets).toEqual([12, 212, 312, 112]);
});

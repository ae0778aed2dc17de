import {
  chooseRepack,
  FULL_PACKS,
  packsToCombine,
  SMALL_BYTES,
} from '../../lib/mirror/choose-repack.js';
import { SeededRandom } from '../support/random.js';

const sized = (...sizes: number[]) => sizes.map((size, i) => ({ name: `pack-${i}`, size }));
const names = (...numbers: number[]) => numbers.map((i) => `pack-${i}`);
const nothing = { pinned: { commits: [], packs: [] }, garbageSince: undefined };
const HOUR = 60 * 60_000;
const ANY = Number.POSITIVE_INFINITY;

describe('A repack combines', () => {
  test('no packs of a geometric series', () => {
    expect(packsToCombine(sized(1, 2, 6, 18, 54), ANY)).toEqual([]);
    expect(packsToCombine(sized(), ANY)).toEqual([]);
    expect(packsToCombine(sized(7), ANY)).toEqual([]);
  });

  test('the smallest packs, and no pack that is at least twice as large as all smaller ones', () => {
    expect(packsToCombine(sized(1000, 1, 1, 1, 1), ANY).sort()).toEqual(names(1, 2, 3, 4));
    expect(packsToCombine(sized(1000, 600), ANY).sort()).toEqual(names(0, 1));
  });

  test('all but the largest pack of a geometric series of the maximum length', () => {
    const series = sized(...Array.from({ length: FULL_PACKS }, (_, i) => 3 ** i));
    expect(packsToCombine(series, ANY)).toEqual(
      names(...Array.from({ length: FULL_PACKS - 1 }, (_, i) => i)),
    );
  });

  test('no more bytes than one pack may have', () => {
    expect(packsToCombine(sized(1000, 600, 10, 10), 620).sort()).toEqual(names(1, 2, 3));
    expect(packsToCombine(sized(1000, 600, 10, 10), 619).sort()).toEqual(names(2, 3));
    expect(packsToCombine(sized(1000, 600), 1599)).toEqual([]);
  });

  test('packs so that few are left after many fetches, and each byte is rewritten only a few times', () => {
    const random = new SeededRandom(1);
    let packs = [{ name: 'pack-clone', size: 1_000_000 }];
    let fetched = 0;
    let written = 0;
    for (let i = 0; i < 5000; i++) {
      const size = 1 + random.below(random.below(50) === 0 ? 20_000 : 300);
      packs.push({ name: `pack-${i}`, size });
      fetched += size;
      const task = chooseRepack(nothing, packs, ANY, 0);
      if (Array.isArray(task)) {
        const combined = packs.filter(({ name }) => task.includes(name));
        const sum = combined.reduce((total, each) => total + each.size, 0);
        written += sum;
        packs = [
          ...packs.filter(({ name }) => !task.includes(name)),
          { name: `combined-${i}`, size: sum },
        ];
      }
      expect(packs.length).toBeLessThan(FULL_PACKS);
    }
    expect(written).toBeLessThan(20 * fetched);
  });
});

describe('The next repack of a mirror', () => {
  test('is not due while it has few packs', () => {
    expect(
      chooseRepack(nothing, sized(...Array.from({ length: 12 }, () => 5)), ANY, 0),
    ).toBeUndefined();
    expect(
      chooseRepack(nothing, sized(...Array.from({ length: 13 }, () => 5)), ANY, 0),
    ).toHaveLength(13);
  });

  test('prunes unreachable objects: at once in a small mirror, otherwise after hours', () => {
    const garbage = { ...nothing, garbageSince: 1000 };
    expect(chooseRepack(garbage, sized(SMALL_BYTES), ANY, 1000)).toBe('reachable');
    expect(chooseRepack(garbage, sized(SMALL_BYTES + 1), ANY, 1000 + 6 * HOUR)).toBeUndefined();
    expect(chooseRepack(garbage, sized(SMALL_BYTES + 1), ANY, 1001 + 6 * HOUR)).toBe('reachable');
  });

  test('makes no pack that is larger than allowed', () => {
    const garbage = { ...nothing, garbageSince: 1000 };
    expect(chooseRepack(garbage, sized(600, 600), 1200, 1000)).toBe('reachable');
    expect(chooseRepack(garbage, sized(600, 600), 1199, 1000)).toBeUndefined();
  });

  test('combines pinned packs when there are many', () => {
    const pinned = (count: number) => ({
      ...nothing,
      pinned: { commits: [], packs: names(...Array.from({ length: count }, (_, i) => i)) },
    });
    expect(chooseRepack(pinned(6), sized(1), ANY, 0)).toBeUndefined();
    expect(chooseRepack(pinned(7), sized(1), ANY, 0)).toBe('pinned');
  });
});

import { RecentObjects, ringBytes } from '../../lib/pack/recent-objects.js';
import { SeededRandom, seededBytes } from '../support/random.js';

const KIB = 1024;

/** Adds and uses objects at random, and checks every content that is said to be there. */
function exercise(seed: number, capacity: number, maxSize: number): { hits: number; gone: number } {
  const random = new SeededRandom(seed);
  const places = new Float64Array(4000);
  const recent = new RecentObjects(Buffer.alloc(ringBytes(capacity)), places);
  const contents: Buffer[] = [];
  /** Objects that were not what they had to be. */
  const wrong: number[] = [];
  const counts = { hits: 0, gone: 0 };
  const limit = Math.min(maxSize, recent.maxObjectBytes);

  for (let object = 0; object < places.length; object++) {
    const content = seededBytes(`${seed} ${object}`, random.below(limit + 1));
    contents.push(content);
    const wanted = random.below(4) === 0 ? random.below(object + 1) : object - random.below(20);
    const isThere = wanted >= 0 && wanted < object && recent.has(wanted);
    const used = isThere ? recent.use(wanted) : 0;
    const at = recent.add(object, content.length);
    recent.bytes.set(content, at);
    if (isThere) {
      counts.hits++;
      const expected = contents[wanted] ?? Buffer.alloc(0);
      // It must have stayed in place while the other was added.
      const found = recent.bytes.subarray(used, used + expected.length);
      if (!found.equals(expected) || recent.sizeOf(wanted) !== expected.length) wrong.push(wanted);
    } else {
      counts.gone++;
    }
    if (!recent.has(object) || recent.sizeOf(object) !== content.length) wrong.push(object);
  }
  expect(wrong).toEqual([]);
  return counts;
}

test.each([
  [1, 8 * KIB, 100],
  [2, 8 * KIB, Number.MAX_SAFE_INTEGER],
  [3, 64 * KIB, Number.MAX_SAFE_INTEGER],
  [4, 1 * KIB, Number.MAX_SAFE_INTEGER],
  [5, 3000, 50],
])('Each object that the cache has is complete: seed %d, %d bytes', (seed, capacity, maxSize) => {
  const { hits, gone } = exercise(seed, capacity, maxSize);
  expect(hits).toBeGreaterThan(500);
  expect(gone).toBeGreaterThan(50);
});

test('An object that is used again and again stays in the cache', () => {
  const places = new Float64Array(1000);
  const recent = new RecentObjects(Buffer.alloc(8 * KIB), places);
  const base = seededBytes('base', 500);
  recent.bytes.set(base, recent.add(0, base.length));
  for (let object = 1; object < places.length; object++) {
    expect(recent.has(0)).toBe(true);
    const at = recent.use(0);
    expect(recent.bytes.subarray(at, at + base.length).equals(base)).toBe(true);
    const next = recent.add(object, 300);
    recent.bytes.fill(object, next, next + 300);
  }
  expect(recent.has(1)).toBe(false);
});

test.each([0, 1, 1000])('A cache of %d bytes keeps nothing', (capacity) => {
  const recent = new RecentObjects(Buffer.alloc(ringBytes(capacity)), new Float64Array(10));
  expect(recent.maxObjectBytes).toBeLessThan(0);
  expect(recent.has(0)).toBe(false);
  expect(recent.has(9)).toBe(false);
});

test('A new cache is empty', () => {
  const recent = new RecentObjects(Buffer.alloc(64 * KIB), new Float64Array(10));
  for (let object = 0; object < 10; object++) expect(recent.has(object)).toBe(false);
});

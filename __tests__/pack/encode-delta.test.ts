import { applyDelta, DeltaHeader, parseDeltaHeader } from '../../lib/pack/delta.js';
import { encodeDelta } from '../../lib/pack/encode-delta.js';
import { makePack } from '../support/hostile-pack.js';
import { objectId } from '../support/object-id.js';
import { SeededRandom, seededBytes } from '../support/random.js';
import { indexWithGit, ingest } from './ingesting.js';

function applied(base: Buffer, delta: Buffer): Buffer {
  const header = new DeltaHeader();
  parseDeltaHeader(delta, header);
  expect(header.baseSize).toBe(base.length);
  const result = Buffer.alloc(header.resultSize);
  applyDelta(delta, header, base, 0, result, 0);
  return result;
}

/** Some of a buffer's parts in another order, with others between them. */
function edit(base: Buffer, random: SeededRandom): Buffer {
  const parts: Buffer[] = [];
  for (let i = random.below(8); i >= 0; i--) {
    const start = random.below(base.length);
    parts.push(base.subarray(start, start + random.below(base.length)));
    parts.push(seededBytes(random.below(1000), random.below(300)));
  }
  return Buffer.concat(parts);
}

test.each([1, 2, 3, 4, 5, 6, 7, 8])(
  'A delta makes the object that it was encoded for, seed %d',
  (seed) => {
    const random = new SeededRandom(seed);
    for (let i = 0; i < 20; i++) {
      const base = seededBytes(seed * 100 + i, 1 + random.below(200_000));
      const target = edit(base, random);
      const delta = encodeDelta(base, target, target.length * 2 + 100);
      if (delta === undefined) throw new Error('there was room');
      expect(applied(base, delta).equals(target)).toBe(true);
    }
  },
);

describe('A delta copies', () => {
  test.each<[string, Buffer, Buffer, number]>([
    ['all', seededBytes(1, 100_000), seededBytes(1, 100_000), 20],
    ['all but an inserted byte', seededBytes(1, 1000), insertAt(seededBytes(1, 1000), 500), 20],
    ['the same bytes again and again', Buffer.alloc(50_000, 'a'), Buffer.alloc(60_000, 'a'), 50],
    [
      'from beyond 16 MiB',
      seededBytes(2, 2 ** 24 + 5000),
      seededBytes(2, 2 ** 24 + 5000).subarray(-4000),
      40,
    ],
  ])('%s', async (_, base, target, maxBytes) => {
    const delta = encodeDelta(base, target, maxBytes);
    if (delta === undefined) throw new Error('too large');
    expect(applied(base, delta).equals(target)).toBe(true);
    const pack = makePack([
      { type: 'blob', body: base },
      { type: 'ref-delta', base: objectId('blob', base), body: delta },
    ]);
    if (!base.equals(target)) expect((await ingest(pack)).idx).toEqual(await indexWithGit(pack));
  });
});

function insertAt(bytes: Buffer, at: number): Buffer {
  return Buffer.concat([bytes.subarray(0, at), Buffer.of(7), bytes.subarray(at)]);
}

test.each<[string, Buffer, Buffer, number]>([
  ['an object that shares nothing with its base', seededBytes(1, 5000), seededBytes(2, 5000), 2500],
  ['an empty object', seededBytes(1, 5000), Buffer.alloc(0), 0],
  ['an object that is too short for a copy', seededBytes(1, 5000), seededBytes(1, 15), 7],
])('No delta is made of %s', (_, base, target, maxBytes) => {
  expect(encodeDelta(base, target, maxBytes)).toBeUndefined();
});

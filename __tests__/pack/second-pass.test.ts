/** @one-node-version */
import { makeDelta } from '../support/delta.js';
import { makePack, type PackEntry } from '../support/hostile-pack.js';
import { deepChain } from '../support/hostile-packs.js';
import { objectId } from '../support/object-id.js';
import { SeededRandom, seededBytes } from '../support/random.js';
import { ingestAlone } from './ingest-alone.js';
import { indexWithGit, ingest } from './ingesting.js';

const KIB = 1024;
const MIB = 1024 * KIB;

interface Made {
  readonly body: Buffer;
  readonly entry: PackEntry;
}

/** An object as a delta of another: the same bytes but for a few at its start. */
function derive(base: Buffer, baseIndex: number, text: string, byId: boolean): Made {
  const insert = Buffer.from(text);
  const kept = base.length - insert.length;
  const body = Buffer.concat([insert, base.subarray(insert.length)]);
  const delta = makeDelta(base.length, body.length, [{ insert }, ...copies(insert.length, kept)]);
  const entry: PackEntry = byId
    ? { type: 'ref-delta', base: objectId('blob', base), body: delta }
    : { type: 'ofs-delta', base: baseIndex, body: delta };
  return { body, entry };
}

/** A copy of any size: each instruction holds 24 bits. */
function copies(offset: number, size: number): { copy: [number, number] }[] {
  const parts: { copy: [number, number] }[] = [];
  for (let at = 0; at < size; at += 0xffffff) {
    parts.push({ copy: [offset + at, Math.min(0xffffff, size - at)] });
  }
  return parts;
}

const textOf = (n: number) => `object ${String(n).padStart(8, '0')}\n`;

/** A tree of deltas in which each object's base is chosen among all objects before it. */
function randomTree(seed: number, objects: number, bytes: number, pick: 'any' | 'late'): Buffer {
  const random = new SeededRandom(seed);
  const first = Buffer.concat([Buffer.from(textOf(0)), seededBytes(seed, bytes)]);
  const made: Made[] = [{ body: first, entry: { type: 'blob', body: first } }];
  for (let i = 1; i < objects; i++) {
    const base = pick === 'any' ? random.below(i) : Math.max(0, i - 1 - random.below(3));
    made.push(derive(made[base]?.body ?? first, base, textOf(i), random.below(4) === 0));
  }
  return makePack(made.map(({ entry }) => entry));
}

describe('Bases that do not fit into deltaCacheBytes are made again for', () => {
  test.each<[string, Buffer]>([
    ['a wide tree', randomTree(1, 300, 2 * KIB, 'any')],
    ['a deep tree', randomTree(2, 300, 2 * KIB, 'late')],
    ['a deep tree of larger objects', randomTree(3, 60, 200 * KIB, 'late')],
  ])('%s', async (_, pack) => {
    const expected = await indexWithGit(pack);
    expect(expected).toBeDefined();
    for (const deltaCacheBytes of [0, 1, 3 * KIB, 10 * KIB, 500 * KIB]) {
      expect((await ingest(pack, { deltaCacheBytes })).idx).toEqual(expected);
    }
  });
});

describe('A chain of 10,000 deltas is indexed', () => {
  const { pack } = deepChain(10_000);

  test.each([16 * MIB, 0])('with a budget of %d bytes', async (deltaCacheBytes) => {
    const idx = await indexWithGit(pack);
    expect(idx).toBeDefined();
    expect((await ingest(pack, { deltaCacheBytes })).idx).toEqual(idx);
  });

  test('with bases by id, each after its delta', async () => {
    const made: Made[] = [
      { body: Buffer.from(textOf(0)), entry: { type: 'blob', body: textOf(0) } },
    ];
    for (let i = 1; i <= 10_000; i++) {
      made.push(derive(made[i - 1]?.body ?? Buffer.alloc(0), i - 1, textOf(i), true));
    }
    const reversed = makePack(made.map(({ entry }) => entry).reverse());
    expect((await ingest(reversed)).idx).toEqual(await indexWithGit(reversed));
  });
});

describe('An ingest keeps its memory within the budget', () => {
  const size = 2 * MIB;

  /** A chain of large objects. Each base has `siblings` more deltas beside the next one of the chain. */
  function largeChain(depth: number, siblings: number): Buffer {
    let base: Buffer = Buffer.alloc(size, 'large ');
    const entries: PackEntry[] = [{ type: 'blob', body: base }];
    for (let i = 0; i < depth; i++) {
      const at = i * (siblings + 1);
      for (let s = 0; s < siblings; s++) {
        entries.push(derive(base, at, `leaf ${i} ${s}\n`, false).entry);
      }
      const next = derive(base, at, textOf(i), false);
      entries.push(next.entry);
      base = next.body;
    }
    return makePack(entries);
  }

  test.each([0, 1])('for a chain with %d other deltas of each base', async (siblings) => {
    const pack = largeChain(200, siblings);
    const { ended, peak } = await ingestAlone(pack, { deltaCacheBytes: 16 * MIB, indexThreads: 1 });
    expect(ended).toBe('done');
    // Held whole, the chain would take 400 MiB.
    expect(peak).toBeLessThan(280);
  });

  test('for a chain of 100,000 small objects', async () => {
    const limits = { deltaCacheBytes: MIB, indexThreads: 1 };
    // Held whole, the chain would take 25 MiB beside the 4 MiB of an empty process.
    const { ended } = await ingestAlone(deepChain(100_000).pack, limits, 20);
    expect(ended).toBe('done');
  });
});

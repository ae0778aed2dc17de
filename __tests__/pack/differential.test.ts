/** @one-node-version */
import { makeDelta } from '../support/delta.js';
import { rounds, seedOf } from '../support/effort.js';
import { makePack, type PackEntry } from '../support/hostile-pack.js';
import { type ObjectType, objectId } from '../support/object-id.js';
import { SeededRandom } from '../support/random.js';
import { withTrailer } from './hand-made-packs.js';
import { indexWithGit, tryIngest } from './ingesting.js';

/** A sound pack of up to 30 objects of all kinds, deltas by position and by id. */
function randomPack(random: SeededRandom): Buffer {
  const types: ObjectType[] = ['blob', 'blob', 'commit', 'tree', 'tag'];
  const objects: { type: ObjectType; body: Buffer }[] = [];
  const entries: PackEntry[] = [];
  for (let i = 0; i < 1 + random.below(30); i++) {
    const text = Buffer.from(`object ${i} `.repeat(1 + random.below(30)));
    const at = random.below(objects.length + 1);
    const base = objects[at];
    if (base === undefined) {
      const type = random.pick(types);
      objects.push({ type, body: text });
      entries.push({ type, body: text });
      continue;
    }
    const cut = random.below(base.body.length);
    const body = Buffer.concat([base.body.subarray(0, cut), text, base.body.subarray(cut)]);
    const delta = makeDelta(base.body.length, body.length, [
      ...(cut > 0 ? [{ copy: [0, cut] as [number, number] }] : []),
      { insert: text },
      { copy: [cut, base.body.length - cut] },
    ]);
    objects.push({ type: base.type, body });
    entries.push(
      random.below(2) === 0
        ? { type: 'ofs-delta', base: at, body: delta }
        : { type: 'ref-delta', base: objectId(base.type, base.body), body: delta },
    );
  }
  return makePack(entries);
}

/** Changes a bit or two before the trailer, mostly within the entries, and mends the trailer. */
function mutate(pack: Buffer, random: SeededRandom): Buffer {
  const mutated = Buffer.from(pack);
  for (let i = 0; i <= random.below(2); i++) {
    const from = random.below(8) === 0 ? 0 : 12;
    const at = from + random.below(pack.length - 20 - from);
    mutated.writeUInt8(mutated.readUInt8(at) ^ (1 << random.below(8)), at);
  }
  return withTrailer(mutated);
}

describe('An ingest agrees with git index-pack on', () => {
  const random = new SeededRandom(seedOf('pack/differential'));
  const sound = Array.from({ length: rounds(10, 300) }, () => randomPack(random));
  const damaged = sound.flatMap((pack) => Array.from({ length: 10 }, () => mutate(pack, random)));

  test('packs of random objects', async () => {
    for (const pack of sound) {
      const [expected, result] = [await indexWithGit(pack), await tryIngest(pack)];
      expect(expected).toBeDefined();
      expect(result).toHaveProperty('idx', expected);
    }
  });

  test('packs with random damage and a right trailer', async () => {
    let refused = 0;
    for (const [i, pack] of damaged.entries()) {
      const [expected, result] = [await indexWithGit(pack), await tryIngest(pack)];
      if (expected === undefined) {
        refused++;
        const code = expect.stringMatching(/^(UPSTREAM_INVALID|LIMIT_EXCEEDED)$/);
        const error = expect.objectContaining({ name: 'SnapshotError', code });
        expect({ i, result }).toEqual({ i, result: { error, left: ['arriving.pack'] } });
      } else {
        expect({ i, result }).toMatchObject({ i, result: { idx: expected } });
      }
    }
    expect(refused).toBeGreaterThan(damaged.length / 2);
    expect(refused).toBeLessThan(damaged.length);
  });
});

import { isObjectType } from '../git/object.js';
import { throwIfStopped } from '../workers/stop.js';
import { damaged } from './errors.js';
import { EntryType } from './format.js';
import { type PackedEntry, type PackList, placeOf } from './pack-list.js';

/** A walk remembers the chain's end at every 32nd entry. git's chains have at most 50. */
const REMEMBERED_STEPS = 32;
/** Steps after which a walk checks whether the thread is to stop. */
const STEPS_AT_ONCE = 1024;

/**
 * The chains of deltas in packs: from an object along its bases to the one that is kept whole. A
 * chain may be as long as its pack, and chains share entries. Still, the ends of all chains are
 * found in linear time: a walk goes at most `REMEMBERED_STEPS` entries along the path of an earlier
 * walk. Memory: about 2 bytes for each entry passed. Synchronous: only for worker threads.
 */
export class DeltaChains {
  readonly #packs: PackList;
  /** Offsets of the ends of chains, by the `placeOf` of entries along them. */
  readonly #ends = new Map<number, number>();

  constructor(packs: PackList) {
    this.#packs = packs;
  }

  /** The offset of the entry at the end of a chain, which is kept whole. */
  endOf({ packNumber, offset }: PackedEntry): number {
    const passed: number[] = [];
    let end: number | undefined;
    for (let at = offset, steps = 0; end === undefined; steps++) {
      const place = placeOf(packNumber, at);
      end = this.#ends.get(place);
      if (end !== undefined) break;
      if (steps > 0 && steps % REMEMBERED_STEPS === 0) passed.push(place);
      const base = this.#baseOf(packNumber, at, steps);
      if (base === undefined) end = at;
      else at = base;
    }
    for (const place of passed) this.#ends.set(place, end);
    return end;
  }

  /** The offsets along a chain, to its end or the first entry whose `placeOf` is known. */
  untilKnown({ packNumber, offset }: PackedEntry, isKnown: (place: number) => boolean): number[] {
    const chain = [offset];
    for (let at = offset; !isKnown(placeOf(packNumber, at)); chain.push(at)) {
      const base = this.#baseOf(packNumber, at, chain.length - 1);
      if (base === undefined) break;
      at = base;
    }
    return chain;
  }

  /** Where the base of an entry begins, unless it is kept whole. @param steps made before. */
  #baseOf(packNumber: number, at: number, steps: number): number | undefined {
    const { pack, idx } = this.#packs.at(packNumber);
    const header = pack.entryHeader(at);
    if (isObjectType(header.type)) return undefined;
    if (steps % STEPS_AT_ONCE === STEPS_AT_ONCE - 1) throwIfStopped();
    const base =
      header.type === EntryType.ofsDelta
        ? at - header.baseDistance
        : idx.find(pack.baseOid(at, header));
    // A chain of as many deltas as the pack has objects goes round in a circle.
    if (base === undefined || steps >= idx.count) throw damaged(`the delta at ${at}`);
    return base;
  }
}

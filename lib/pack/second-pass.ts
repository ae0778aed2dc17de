import { hashObject, isObjectType, OBJECT_HEADER_ROOM, OID_BYTES } from '../git/object.js';
import { applyDelta, DeltaHeader, parseDeltaHeader } from './delta.js';
import {
  type DeltaForest,
  type IdRange,
  NO_CHILD,
  plantForest,
  rangeById,
} from './delta-forest.js';
import { byteAt, indexAt, offsetAt } from './elements.js';
import { invalid } from './errors.js';
import { checkSizeInMemory, Expansion, type IngestLimits } from './limits.js';
import type { ObjectMemory } from './object-memory.js';
import type { ScannedObjects } from './object-table.js';
import { PackFile } from './pack-file.js';

/*
 * The second pass over a pack: resolves the deltas that the first pass could not. Their base is
 * given by id, was forgotten, or is too large to be kept.
 *
 * These deltas and the bases that they need form trees. Threads share one counter over the list of
 * roots, which the pack holds whole. A thread that takes a root walks its whole tree, depth first,
 * so that a base is in memory while its deltas are applied.
 *
 * Invariants: a thread writes only to the columns of deltas in its own trees. Each delta is
 * resolved once: if two objects have the same id, only the first gets the deltas that name this id.
 * Memory: the bases on the path from the root that have more deltas to come, under a budget. Beyond
 * the budget, the bases nearest to the root are dropped, and made again when they are needed. Cost:
 * one inflate and one delta for each object of the trees, and one hash for each unresolved delta.
 */

/** The work, shared by all threads; structured-cloneable. */
export interface SecondPass {
  readonly packPath: string;
  readonly objects: ScannedObjects;
  readonly forest: DeltaForest;
  /** How many roots have been taken, and whether to stop. */
  readonly state: Int32Array<SharedArrayBuffer>;
  /** At the start of a range of `forest.deltasById`: how many objects have its id. */
  readonly claimed: Int32Array<SharedArrayBuffer>;
  readonly limits: IngestLimits;
}

/** An object on the path from a root to the delta at hand. */
interface Base {
  readonly index: number;
  readonly size: number;
  /** The content is `data[start, start + size)`; `undefined` after it was dropped. */
  data: Buffer | undefined;
  start: number;
  /** The next delta that names this base by position. */
  nextChild: number;
  /** The range of the remaining deltas that name it by id. */
  nextById: number;
  readonly endById: number;
}

/** Elements of `state`. */
const TAKEN = 0;
const STOPPED = 1;

/** `undefined` when every delta is resolved. */
export function planSecondPass(
  packPath: string,
  objects: ScannedObjects,
  limits: IngestLimits,
): SecondPass | undefined {
  if (countUnresolved(objects) === 0) return undefined;
  const forest = plantForest(objects);
  const state = new Int32Array(new SharedArrayBuffer(8));
  const claimed = new Int32Array(new SharedArrayBuffer(forest.deltasById.objects.length * 4));
  return { packPath, objects, forest, state, claimed, limits };
}

/** Takes roots until none is left. Any number of threads may run it at once. */
export function runSecondPass(pass: SecondPass, memory: ObjectMemory): void {
  const pack = new PackFile(pass.packPath, memory);
  try {
    const walk = new DeltaWalk(pack, pass);
    for (;;) {
      const next = Atomics.add(pass.state, TAKEN, 1);
      const root = pass.forest.roots[next];
      if (root === undefined || !walk.run(root)) return;
    }
  } finally {
    pack.close();
  }
}

/** Makes all threads stop at their next delta. */
export function stopSecondPass(pass: SecondPass): void {
  Atomics.store(pass.state, STOPPED, 1);
}

const LEAF_SCRATCH_BYTES = 1024 * 1024;
/** Memory of a held base besides its content, so that small bases count as well. */
const HELD_OVERHEAD_BYTES = 256;

class DeltaWalk {
  readonly #pack: PackFile;
  readonly #pass: SecondPass;
  /** Counts contents that are made again, which cost as much as the first time. */
  readonly #remade: Expansion;
  readonly #path: Base[] = [];
  readonly #delta = new DeltaHeader();
  readonly #scratch = Buffer.allocUnsafeSlow(LEAF_SCRATCH_BYTES);
  #held = 0;
  /** No base on the path before this position is held. */
  #firstHeld = 0;

  constructor(pack: PackFile, pass: SecondPass) {
    this.#pack = pack;
    this.#pass = pass;
    this.#remade = new Expansion(pass.limits);
  }

  /** @returns `false` when it was stopped. */
  run(root: number): boolean {
    const header = this.#pack.entryHeader(offsetAt(this.#pass.objects.columns.offsets, root));
    checkSizeInMemory(header.size, this.#pass.limits);
    const first = indexAt(this.#pass.forest.firstChild, root);
    this.#push(root, header.size, first, this.#claim(root));
    for (let base = this.#path.at(-1); base !== undefined; base = this.#path.at(-1)) {
      if (Atomics.load(this.#pass.state, STOPPED) !== 0) return false;
      const child = this.#takeChild(base);
      if (child === undefined) this.#pop(base);
      else this.#resolve(child, base);
    }
    return true;
  }

  #takeChild(base: Base): number | undefined {
    if (base.nextChild !== NO_CHILD) {
      const child = base.nextChild;
      base.nextChild = indexAt(this.#pass.forest.nextSibling, child);
      return child;
    }
    if (base.nextById < base.endById) return this.#pass.forest.deltasById.objects[base.nextById++];
    return undefined;
  }

  #resolve(child: number, base: Base): void {
    const { types, oids } = this.#pass.objects.columns;
    const { firstChild, deltasById } = this.#pass.forest;
    const isResolved = types[child] !== 0;
    const type = byteAt(types, base.index);
    if (!isObjectType(type)) throw new RangeError(`object ${base.index} has no type yet`);
    const baseData = this.#materialize(base);
    const delta = this.#readDelta(child, base.size);
    const size = this.#delta.resultSize;
    const first = indexAt(firstChild, child);
    // Whether deltas name this object by id is known only after it was hashed.
    const mayBeBase = first !== NO_CHILD || deltasById.objects.length > 0;
    const room = OBJECT_HEADER_ROOM + size;
    const data =
      mayBeBase || room > LEAF_SCRATCH_BYTES ? Buffer.allocUnsafeSlow(room) : this.#scratch;
    applyDelta(delta, this.#delta, baseData, base.start, data, OBJECT_HEADER_ROOM);
    this.#dropIfDone(base);
    if (!isResolved) {
      hashObject(type, data, OBJECT_HEADER_ROOM, size, oids, child * OID_BYTES);
      types[child] = type;
    }
    if (!mayBeBase) return;
    const byId = this.#claim(child);
    if (first === NO_CHILD && byId.start === byId.end) return;
    this.#hold(this.#push(child, size, first, byId), data, OBJECT_HEADER_ROOM);
  }

  /** The deltas that name an object by id, unless an object with the same id has got them. */
  #claim(object: number): IdRange {
    const { objects, forest } = this.#pass;
    const range = rangeById(forest.deltasById, objects.columns.oids, object * OID_BYTES);
    if (range.start === range.end || Atomics.add(this.#pass.claimed, range.start, 1) === 0) {
      return range;
    }
    return { start: range.end, end: range.end };
  }

  /** The delta of `child`. Parses its header into `#delta`, and checks its sizes. */
  #readDelta(child: number, baseSize: number): Buffer {
    const delta = this.#readEntry(child);
    parseDeltaHeader(delta, this.#delta);
    if (this.#delta.baseSize !== baseSize) throw invalid('a delta is for a base of another size');
    checkSizeInMemory(this.#delta.resultSize, this.#pass.limits);
    return delta;
  }

  #readEntry(object: number): Buffer {
    const { offsets } = this.#pass.objects.columns;
    const offset = offsetAt(offsets, object);
    const header = this.#pack.entryHeader(offset);
    checkSizeInMemory(header.size, this.#pass.limits);
    return this.#pack.inflate(offset, header, offsetAt(offsets, object + 1));
  }

  /** The content of the last object on the path, made again from the nearest one that has it. */
  #materialize(last: Base): Buffer {
    if (last.data !== undefined) return last.data;
    let from = this.#path.length - 1;
    while (from > 0 && this.#path[from - 1]?.data === undefined) from--;
    this.#firstHeld = Math.min(this.#firstHeld, from);
    let parent = this.#path[from - 1];
    for (const base of this.#path.slice(from)) {
      const data = this.#inflateAgain(base, parent);
      if (parent !== undefined) this.#dropIfDone(parent);
      this.#hold(base, data, 0);
      parent = base;
      if (base === last) return data;
    }
    throw new RangeError('not the last object on the path');
  }

  #inflateAgain(base: Base, parent: Base | undefined): Buffer {
    const { count, columns } = this.#pass.objects;
    this.#remade.add(base.size, offsetAt(columns.offsets, count));
    if (parent?.data === undefined) return this.#readEntry(base.index);
    const delta = this.#readDelta(base.index, parent.size);
    const data = Buffer.allocUnsafeSlow(base.size);
    applyDelta(delta, this.#delta, parent.data, parent.start, data, 0);
    return data;
  }

  #push(index: number, size: number, nextChild: number, byId: IdRange): Base {
    const { start: nextById, end: endById } = byId;
    const base: Base = { index, size, data: undefined, start: 0, nextChild, nextById, endById };
    this.#path.push(base);
    return base;
  }

  #pop(base: Base): void {
    this.#path.pop();
    this.#drop(base);
    this.#firstHeld = Math.min(this.#firstHeld, this.#path.length);
  }

  /** Holds the content of a base. Beyond the budget, drops the bases nearest to the root. */
  #hold(base: Base, data: Buffer, start: number): void {
    base.data = data;
    base.start = start;
    this.#held += base.size + HELD_OVERHEAD_BYTES;
    while (this.#held > this.#pass.limits.deltaCacheBytes) {
      const first = this.#path[this.#firstHeld];
      if (first === undefined || first === base) return;
      this.#drop(first);
      this.#firstHeld++;
    }
  }

  #dropIfDone(base: Base): void {
    if (base.nextChild === NO_CHILD && base.nextById === base.endById) this.#drop(base);
  }

  #drop(base: Base): void {
    if (base.data === undefined) return;
    base.data = undefined;
    this.#held -= base.size + HELD_OVERHEAD_BYTES;
  }
}

export function countUnresolved({ count, columns }: ScannedObjects): number {
  let unresolved = 0;
  for (let i = 0; i < count; i++) if (columns.types[i] === 0) unresolved++;
  return unresolved;
}

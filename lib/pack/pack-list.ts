import { IdxFile } from './idx-file.js';
import type { ObjectMemory } from './object-memory.js';
import { PackFile } from './pack-file.js';

/** A pack that is open, with its idx. */
export interface OpenPack {
  readonly pack: PackFile;
  readonly idx: IdxFile;
  /** The number of its idx's first object; the others follow in the order of their ids. */
  readonly firstNumber: number;
}

export interface PackedEntry {
  /** The position of the pack in the list. */
  readonly packNumber: number;
  readonly pack: PackFile;
  readonly offset: number;
}

/** Packs are smaller than this. */
const PACK_BYTES_BOUND = 2 ** 44;

/** The place of an entry as one number, ordered by pack, then by offset. */
export function placeOf(pack: number, offset: number): number {
  return pack * PACK_BYTES_BOUND + offset;
}

/**
 * Open packs, and the numbers of their objects: by pack, then by id. An object in several packs, or
 * several times in one, has the first of these numbers.
 */
export class PackList {
  readonly #files: (PackFile | IdxFile)[] = [];
  readonly #open: OpenPack[] = [];
  #count = 0;

  /** @param paths without ending. @throws SnapshotError `MIRROR_CORRUPTED`; system errors. */
  constructor(paths: readonly string[], memory: ObjectMemory) {
    try {
      for (const path of paths) {
        const pack = new PackFile(`${path}.pack`, memory);
        this.#files.push(pack);
        const idx = new IdxFile(`${path}.idx`);
        this.#files.push(idx);
        this.#open.push({ pack, idx, firstNumber: this.#count });
        this.#count += idx.count;
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  get packs(): readonly OpenPack[] {
    return this.#open;
  }

  /** All numbers are below it. */
  get objectCount(): number {
    return this.#count;
  }

  at(pack: number): OpenPack {
    const found = this.#open[pack];
    if (found === undefined) throw new RangeError('the reader is closed');
    return found;
  }

  /** The number of the object with the id `oids[at, at + 20)`. */
  numberOf(oids: Uint8Array, at = 0): number | undefined {
    for (const { idx, firstNumber } of this.#open) {
      const position = idx.positionOf(oids, at);
      if (position !== undefined) return firstNumber + position;
    }
    return undefined;
  }

  /** The one id that begins with `prefix` (4 to 40 lower-case hex digits); else `undefined`. */
  find(prefix: string): string | undefined {
    const found = new Set(this.#open.flatMap(({ idx }) => idx.startingWith(prefix)));
    const [oid] = found;
    return found.size === 1 ? oid : undefined;
  }

  entryOf(number: number): PackedEntry {
    const packNumber = this.#packOf(number);
    const { pack, idx, firstNumber } = this.at(packNumber);
    return { packNumber, pack, offset: idx.offsetAt(number - firstNumber) };
  }

  /** The id of an object, 20 bytes, valid only until the next call. */
  oidOf(number: number): Buffer {
    const { idx, firstNumber } = this.at(this.#packOf(number));
    return idx.oidAt(number - firstNumber);
  }

  #packOf(number: number): number {
    let pack = this.#open.length - 1;
    while (pack > 0 && this.at(pack).firstNumber > number) pack--;
    return pack;
  }

  close(): void {
    this.#open.length = 0;
    for (const file of this.#files.splice(0)) file.close();
  }
}

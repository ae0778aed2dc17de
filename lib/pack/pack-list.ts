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

/** Packs are smaller than this. */
const PACK_BYTES_BOUND = 2 ** 44;

/** The place of an entry as one number, ordered by pack, then by offset. */
export function placeOf(pack: number, offset: number): number {
  return pack * PACK_BYTES_BOUND + offset;
}

/**
 * Open packs, and the numbers of their objects: by pack, then by id. If several packs have an
 * object, its number is that in the first of them; if one pack has it twice, its number is the
 * first there.
 */
export class PackList {
  readonly packs: readonly OpenPack[];
  readonly #open: OpenPack[] = [];
  #count = 0;

  /**
   * @param paths without ending.
   * @throws SnapshotError `REPOSITORY_DAMAGED` when a file is damaged or gone; system errors.
   */
  constructor(paths: readonly string[], memory: ObjectMemory) {
    this.packs = this.#open;
    try {
      for (const path of paths) {
        const pack = new PackFile(`${path}.pack`, memory);
        try {
          const idx = new IdxFile(`${path}.idx`);
          this.#open.push({ pack, idx, firstNumber: this.#count });
          this.#count += idx.count;
        } catch (error) {
          pack.close();
          throw error;
        }
      }
    } catch (error) {
      this.close();
      throw error;
    }
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
    for (let i = 0; i < this.#open.length; i++) {
      const { idx, firstNumber } = this.at(i);
      const position = idx.positionOf(oids, at);
      if (position !== undefined) return firstNumber + position;
    }
    return undefined;
  }

  /** As `ObjectReader.find`. */
  find(prefix: string): string | undefined {
    let found: string | undefined;
    for (let i = 0; i < this.#open.length; i++) {
      for (const oid of this.at(i).idx.startingWith(prefix)) {
        if (found !== undefined && found !== oid) return undefined;
        found = oid;
      }
    }
    return found;
  }

  /** The position in the list of the pack in which an object has its number. */
  packOf(number: number): number {
    let pack = this.#open.length - 1;
    while (pack > 0 && this.at(pack).firstNumber > number) pack--;
    return pack;
  }

  /** The id of an object, 20 bytes, valid only until the next call. */
  oidOf(number: number): Buffer {
    const { idx, firstNumber } = this.at(this.packOf(number));
    return idx.oidAt(number - firstNumber);
  }

  /** Idempotent. */
  close(): void {
    for (const { pack, idx } of this.#open.splice(0)) {
      pack.close();
      idx.close();
    }
  }
}

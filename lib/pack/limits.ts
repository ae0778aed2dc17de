import { limitExceeded } from '../errors.js';

/*
 * Bounds on the cost of a pack. A delta of a few bytes may stand for hundreds of megabytes, and all
 * objects of a hostile pack may be one chain of deltas.
 */

export interface ReaderLimits {
  /** Bytes of delta bases, or of recent objects, that one thread keeps. */
  deltaCacheBytes: number;
  maxObjectBytesInMemory: number;
}

export interface IngestLimits extends ReaderLimits {
  maxPackBytes: number;
  maxObjects: number;
  maxObjectBytes: number;
  /** Bytes of all objects of a pack. */
  maxResolvedBytes: number;
  /** The same, as a multiple of the pack's own bytes. */
  maxExpansionRatio: number;
  /** The most threads that work on one pack, including the scanning thread. */
  indexThreads: number;
}

/** Bytes of work that even the smallest pack may cause: they take seconds. */
const FREE_BYTES = 4 * 1024 ** 3;

/** @throws SnapshotError `LIMIT_EXCEEDED` */
export function checkLimit(name: keyof IngestLimits, limit: number, value: number): void {
  if (value > limit) {
    throw limitExceeded(name, `${value} is more than ${name} (${limit})`);
  }
}

/** Checks the size of an object or delta. @throws SnapshotError `LIMIT_EXCEEDED` */
export function checkSizeInMemory(size: number, { maxObjectBytesInMemory }: ReaderLimits): void {
  checkLimit('maxObjectBytesInMemory', maxObjectBytesInMemory, size);
}

/** Counts the bytes of a pack's objects. */
export class Expansion {
  readonly #limits: IngestLimits;
  #bytes = 0;

  constructor(limits: IngestLimits) {
    this.#limits = limits;
  }

  /** @param received the bytes of the pack so far. @throws SnapshotError `LIMIT_EXCEEDED` */
  add(bytes: number, received: number): void {
    this.#bytes += bytes;
    const { maxResolvedBytes, maxExpansionRatio } = this.#limits;
    checkLimit('maxResolvedBytes', maxResolvedBytes, this.#bytes);
    if (this.#bytes > FREE_BYTES)
      checkLimit('maxExpansionRatio', maxExpansionRatio, this.#bytes / received);
  }
}

/** The cost of a step along a chain of deltas, apart from its bytes. */
const STEP_BYTES = 1024;
/** Allowed work per byte read: in git's chains of up to 50, an object takes 25 steps on average. */
const MAX_SHARE = 64;

/** Bounds the work of a reader by the bytes that it reads. */
export class ReadingWork {
  #work = 0;
  #read = 0;

  /** @param size of the object after this step. @throws SnapshotError `LIMIT_EXCEEDED` */
  addStep(bytes: number, size: number): void {
    this.#work += bytes + STEP_BYTES;
    this.#check(this.#read + size + STEP_BYTES);
  }

  /** @param size of the object that was read. @throws SnapshotError `LIMIT_EXCEEDED` */
  addObject(size: number): void {
    this.#read += size + STEP_BYTES;
    this.#check(this.#read);
  }

  #check(read: number): void {
    if (this.#work <= FREE_BYTES + MAX_SHARE * read) return;
    throw limitExceeded(
      undefined,
      `chains of deltas are too long: to read objects takes over ${MAX_SHARE} times their bytes`,
    );
  }
}

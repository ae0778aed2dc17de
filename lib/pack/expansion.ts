import { SnapshotError } from '../errors.js';

export interface ExpansionLimits {
  /** Bytes of all objects of a pack. */
  maxResolvedBytes: number;
  /** The same, as a multiple of the pack's own bytes. */
  maxExpansion: number;
}

/** Bytes that even the smallest pack may expand to: they take seconds. */
const FREE_BYTES = 4 * 1024 ** 3;

/**
 * Counts the bytes that a pack expands to: a delta of a few bytes may stand for hundreds of
 * megabytes.
 */
export class Expansion {
  readonly #limits: ExpansionLimits;
  #bytes = 0;

  constructor(limits: ExpansionLimits) {
    this.#limits = limits;
  }

  /**
   * @param bytes of one more object.
   * @param received the bytes of the pack so far.
   * @throws SnapshotError `LIMIT_EXCEEDED`
   */
  add(bytes: number, received: number): void {
    this.#bytes += bytes;
    const { maxResolvedBytes, maxExpansion } = this.#limits;
    if (this.#bytes > maxResolvedBytes) {
      throw tooLarge(`more than maxResolvedBytes (${maxResolvedBytes})`);
    }
    if (this.#bytes > FREE_BYTES && this.#bytes > received * maxExpansion) {
      throw tooLarge(`more than maxExpansion (${maxExpansion}) times its own bytes`);
    }
  }
}

function tooLarge(what: string): SnapshotError {
  return new SnapshotError('LIMIT_EXCEEDED', `the objects of the pack have ${what}`);
}

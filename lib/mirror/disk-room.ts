import { SingleFlight } from '../async/single-flight.js';
import { isDiskFull, SnapshotError, systemCode } from '../errors.js';
import { diskSpace, freeBytes } from '../fs/free-space.js';
import type { Evictable } from '../stores/evictable.js';

/** The part of the disk that an eviction leaves free, at least. */
const FREE_PART = 1 / 10;
/** The part of the mirrors and snapshots that leaves when the free bytes tell nothing. */
const EVICTED_PART = 1 / 4;
/** Fewer free files than this count as none. */
const FEW_FILES = 100;

/** Makes room on a full disk: evicts mirrors and snapshots, the least recently used first. */
export class DiskRoom {
  readonly #directory: string;
  readonly #evictables: () => Promise<Evictable[]>;
  readonly #runs = new SingleFlight<boolean>();

  /** @param evictables everything on the disk that is not in use. */
  constructor(directory: string, evictables: () => Promise<Evictable[]>) {
    this.#directory = directory;
    this.#evictables = evictables;
  }

  /** Runs `work`. If that fills the disk, makes room and runs it once more. */
  async retry<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(await this.makeAfter(error))) throw error;
      return await work();
    }
  }

  /**
   * Makes room if work failed because the disk is full. The work must have removed its own files.
   *
   * @returns whether the work is worth another attempt.
   */
  async makeAfter(error: unknown): Promise<boolean> {
    if (!SnapshotError.is(error, 'STORAGE_FULL') && !isDiskFull(error)) return false;
    return await this.#runs.join('', () => this.#make(systemCode(error), 0));
  }

  /** Makes room if fewer than `bytes` bytes are free. */
  async require(bytes: number): Promise<void> {
    if ((await freeBytes(this.#directory)) >= bytes) return;
    await this.#runs.join('', () => this.#make(undefined, bytes));
  }

  /** @returns whether anything was evicted. */
  async #make(code: string | undefined, needed: number): Promise<boolean> {
    const evictables = await this.#evictables();
    evictables.sort((a, b) => a.usedAt - b.usedAt);
    const { freeBytes: free, totalBytes, freeFiles } = await diskSpace(this.#directory);
    const isUnknown = !Number.isFinite(totalBytes);
    const isOtherLimit = code === 'EDQUOT' || isUnknown || freeFiles < FEW_FILES;
    const total = evictables.reduce((sum, { bytes }) => sum + bytes, 0);
    // The work needed more than what was free.
    const byDisk = Math.max(2 * free, totalBytes * FREE_PART - free, needed - free);
    const wanted = isOtherLimit ? total * EVICTED_PART : byDisk;
    let evicted = 0;
    for (const { bytes, evict } of evictables) {
      if (evicted >= wanted) break;
      await evict();
      evicted += bytes;
    }
    return evicted > 0;
  }
}

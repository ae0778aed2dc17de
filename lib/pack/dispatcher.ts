import { DeltaHeader, parseDeltaHeader } from './delta.js';
import { byteAt, indexAt } from './elements.js';
import { MAX_INFLATED_BYTES } from './format.js';
import type { IngestLimits } from './limits.js';
import type { ObjectMemory } from './object-memory.js';
import { NO_BASE, type ObjectColumns, type ScannedObjects } from './object-table.js';
import { Resolver } from './resolver.js';
import type { ResolverPool, ResolverThread } from './resolver-pool.js';
import {
  countUnresolved,
  planSecondPass,
  runSecondPass,
  type SecondPass,
  stopSecondPass,
} from './second-pass.js';

/*
 * Spreads the objects of an arriving pack over the scanning thread and others. A delta goes to the
 * thread of its base, which has the base at hand. A whole object goes to the thread with the least
 * work. If all threads have enough, the scanning thread resolves it at once, and later its deltas.
 * So every thread is busy, and no thread waits for another.
 */

/** A thread with this much work, in KiB of results, gets no new whole objects: about 40 ms. */
const ENOUGH_WORK = 64 * 1024;
/** The fixed cost of an object, in KiB of results. */
const WORK_PER_OBJECT = 4;

/** The owner of objects that this thread resolves; other threads are numbered from 1. */
const HERE = 0;

export interface DispatcherOptions {
  /** The pack's file: each entry is written before it is added. The caller closes it. */
  readonly fd: number;
  readonly columns: ObjectColumns;
  readonly limits: IngestLimits;
  /** The memory of this thread. */
  readonly memory: ObjectMemory;
  readonly pool: ResolverPool;
}

export interface Resolution {
  /** Deltas without a base in the pack. */
  readonly unresolved: number;
  /** Whether a delta names a base by id, and the pack holds this base twice. */
  readonly repeatsBase: boolean;
}

export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #threads: ResolverThread[];
  readonly #delta = new DeltaHeader();
  readonly #here: Resolver;
  readonly #owners: Uint8Array;

  constructor(options: DispatcherOptions) {
    const { fd, columns, limits, memory, pool } = options;
    const objects = columns.types.length;
    this.#options = options;
    this.#owners = new Uint8Array(objects);
    this.#here = new Resolver(fd, columns, limits, memory);
    this.#threads = pool.take(objects, limits.indexThreads - 1);
    for (const thread of this.#threads) thread.begin(fd, columns, limits);
  }

  get isReady(): boolean {
    for (const { queue } of this.#threads) if (!queue.hasRoom(MAX_INFLATED_BYTES)) return false;
    return true;
  }

  /** @throws SnapshotError the failure of a thread. */
  async ready(): Promise<void> {
    for (const thread of this.#threads) await thread.room(MAX_INFLATED_BYTES);
  }

  /**
   * Adds an object by the content of its entry: `bytes[start, end)`, which may be reused
   * afterwards, and at most `MAX_INFLATED_BYTES`. Only when `isReady`.
   *
   * @throws SnapshotError `UPSTREAM_INVALID` for a malformed delta, `LIMIT_EXCEEDED`.
   */
  add(object: number, bytes: Buffer, start: number, end: number): void {
    const base = indexAt(this.#options.columns.bases, object);
    const owner = base === NO_BASE ? this.#idlest() : byteAt(this.#owners, base);
    this.#owners[object] = owner;
    const thread = this.#threads[owner - 1];
    if (thread === undefined) {
      this.#here.add(object, bytes, start, end);
      return;
    }
    let result = end - start;
    if (base !== NO_BASE) {
      parseDeltaHeader(bytes, this.#delta, start, end);
      result = this.#delta.resultSize;
    }
    const work = WORK_PER_OBJECT + Math.min(Math.round(result / 1024), ENOUGH_WORK);
    thread.queue.put(object, bytes, start, end, work);
  }

  flush(): void {
    for (const thread of this.#threads) {
      thread.throwIfFailed();
      thread.queue.publish();
    }
  }

  /** Resolves the remaining deltas, once all entries were added. @throws SnapshotError as `add`. */
  async finish(packPath: string, objects: ScannedObjects): Promise<Resolution> {
    await Promise.all(this.#threads.map((thread) => thread.settle()));
    const pass = planSecondPass(packPath, objects, this.#options.limits);
    if (pass !== undefined) await this.#runSecondPass(pass);
    for (const thread of this.#threads.splice(0)) this.#options.pool.giveBack(thread);
    return {
      unresolved: countUnresolved(objects),
      repeatsBase: pass?.claimed.some((bases) => bases > 1) === true,
    };
  }

  /** Ends the threads that were not given back. Idempotent. */
  async close(): Promise<void> {
    await Promise.all(this.#threads.splice(0).map((thread) => thread.close()));
  }

  async #runSecondPass(pass: SecondPass): Promise<void> {
    try {
      const others = Promise.all(this.#threads.map((thread) => thread.runSecondPass(pass)));
      others.catch(() => {}); // thrown below, after this thread has finished
      runSecondPass(pass, this.#options.memory);
      await others;
    } finally {
      stopSecondPass(pass);
    }
  }

  #idlest(): number {
    let owner = HERE;
    let least = ENOUGH_WORK;
    for (const [i, { queue }] of this.#threads.entries()) {
      const { backlog, isHalfFree } = queue;
      if (backlog >= least || !isHalfFree) continue;
      least = backlog;
      owner = i + 1;
    }
    return owner;
  }
}

import type { ObjectMemory } from './object-memory.js';
import { memoryWithRing } from './recent-objects.js';
import { ResolverThread } from './resolver-thread.js';

/** Starting a thread takes as long as resolving about this many objects. */
const OBJECTS_WORTH_A_START = 20_000;
/** Handing objects to a thread that is there pays for fewer. */
const OBJECTS_WORTH_A_THREAD = 2000;

/**
 * Keeps the threads that resolve objects, and the memory in which this one does, from one pack to the
 * next. Unlike those of a `WorkerPool`, they take objects from shared memory rather than tasks.
 */
export class ResolverPool {
  readonly #idle = new Set<ResolverThread>();
  #memory: ObjectMemory | undefined;

  /** As many threads as so many objects are worth, and at most `most`. To be given back. */
  take(objects: number, most: number): ResolverThread[] {
    const taken: ResolverThread[] = [];
    for (const thread of this.#idle) {
      if (taken.length === Math.min(most, Math.floor(objects / OBJECTS_WORTH_A_THREAD))) break;
      this.#idle.delete(thread);
      if (!thread.hasFailed) taken.push(thread);
    }
    while (taken.length < Math.min(most, Math.floor(objects / OBJECTS_WORTH_A_START))) {
      taken.push(new ResolverThread());
    }
    for (const thread of taken) thread.keepAlive(true);
    return taken;
  }

  /** Takes back a thread that has nothing more to do. */
  giveBack(thread: ResolverThread): void {
    thread.keepAlive(false);
    this.#idle.add(thread);
  }

  /** Does work that needs memory with such a ring. */
  async withMemory<T>(
    deltaCacheBytes: number,
    work: (memory: ObjectMemory) => Promise<T>,
  ): Promise<T> {
    const memory = memoryWithRing(deltaCacheBytes, this.#memory);
    this.#memory = undefined;
    try {
      return await work(memory);
    } finally {
      this.#memory = memory;
    }
  }

  /** Ends all threads that are idle. Idempotent. */
  async close(): Promise<void> {
    await Promise.all([...this.#idle].map((thread) => thread.close()));
    this.#idle.clear();
  }
}

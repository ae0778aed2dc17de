import type { ObjectMemory } from './object-memory.js';
import { memoryWithRing } from './recent-objects.js';
import { ResolverThread } from './resolver-thread.js';

/** Starting a thread takes as long as resolving about this many objects. */
const OBJECTS_WORTH_A_START = 20_000;
/** An idle thread pays off for fewer objects. */
const OBJECTS_WORTH_A_THREAD = 2000;

/**
 * Keeps the threads that resolve objects, and this thread's own memory for it, from one pack to the
 * next. Unlike the threads of a `WorkerPool`, they take objects from shared memory instead of
 * tasks.
 */
export class ResolverPool {
  readonly #idle = new Set<ResolverThread>();
  #memory: ObjectMemory | undefined;

  /** As many threads as pay off for these objects, at most `most`. Give them back afterwards. */
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
    for (const thread of taken) thread.ref();
    return taken;
  }

  /** Takes back a thread that has no more work. */
  giveBack(thread: ResolverThread): void {
    thread.unref();
    this.#idle.add(thread);
  }

  /** Lends memory with a ring for `deltaCacheBytes`. */
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

  /** Ends all idle threads. Idempotent. */
  async close(): Promise<void> {
    await Promise.all([...this.#idle].map((thread) => thread.close()));
    this.#idle.clear();
  }
}

import { ResolverThread } from './resolver-thread.js';

/** Starting a thread takes as long as resolving about this many objects. */
const OBJECTS_WORTH_A_START = 20_000;
/** Handing objects to a thread that is there pays for fewer. */
const OBJECTS_WORTH_A_THREAD = 2000;

/** Keeps the threads that resolve objects from one pack to the next. */
export class ResolverThreads {
  readonly #idle = new Set<ResolverThread>();

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

  /** Ends all threads that are idle. Idempotent. */
  async close(): Promise<void> {
    await Promise.all([...this.#idle].map((thread) => thread.close()));
    this.#idle.clear();
  }
}

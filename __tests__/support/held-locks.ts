import { MemoryLocks } from '../../lib/index.js';
import type { Lock, LockRegistry } from '../../lib/locks/index.js';

/** Locks that make builds of default snapshots wait while `hold` is in effect. */
export class HeldLocks implements LockRegistry {
  readonly #locks = new MemoryLocks();
  #held: Promise<void> = Promise.resolve();
  #release = () => {};

  hold(): void {
    this.#held = new Promise((resolve) => {
      this.#release = resolve;
    });
  }

  release(): void {
    this.#release();
  }

  async acquire(key: string, options?: { signal?: AbortSignal }): Promise<Lock> {
    if (key.endsWith('/snapshot')) await this.#held;
    return await this.#locks.acquire(key, options);
  }
}

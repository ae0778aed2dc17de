import { EventEmitter } from 'node:events';
import { MemoryLocks, SnapshotError } from '../../lib/index.js';
import type { Lock, LockRegistry } from '../../lib/locks/index.js';
import { door } from './door.js';

interface LockEvents {
  wanted: [key: string];
  acquired: [key: string];
  released: [key: string];
}

/** Locks that emit events, and whose leases a test can end. */
export class WatchedLocks implements LockRegistry {
  readonly events = new EventEmitter<LockEvents>();
  readonly #locks: LockRegistry;
  readonly #gates = new Map<string, Promise<void>>();
  readonly #held = new Map<string, (error: SnapshotError) => Promise<void>>();

  /** @param locks the locks behind it, which several registries may share. */
  constructor(locks: LockRegistry = new MemoryLocks()) {
    this.#locks = locks;
  }

  async acquire(key: string, options?: { signal?: AbortSignal | undefined }): Promise<Lock> {
    this.events.emit('wanted', key);
    await this.#gates.get(key);
    const { signal, release } = await this.#locks.acquire(key, options);
    const losing = new AbortController();
    const lose = async (error: SnapshotError) => {
      losing.abort(error);
      await release();
    };
    this.#held.set(key, lose);
    this.events.emit('acquired', key);
    return {
      signal: AbortSignal.any([signal, losing.signal]),
      release: async () => {
        if (this.#held.get(key) === lose) this.#held.delete(key);
        await release();
        this.events.emit('released', key);
      },
    };
  }

  /** Holds a key from now on, so that others wait for it until it is released. */
  hold(key: string): { release(): void } {
    const [released, release] = door();
    this.#gates.set(key, released);
    return { release };
  }

  /**
   * Ends the lease of a key while its holder works on, as if the server forgot it. The next waiter gets the key.
   * @returns whether it was held.
   */
  async lose(key: string): Promise<boolean> {
    const lose = this.#held.get(key);
    this.#held.delete(key);
    await lose?.(new SnapshotError('LOCK_LOST', 'somebody else holds it'));
    return lose !== undefined;
  }

  /** Resolves at the next event of this name for a key. */
  next(name: keyof LockEvents, key: string): Promise<void> {
    return new Promise((resolve) => {
      // One listener all the time: what happens to several keys at once is not missed.
      const listen = (each: string) => {
        if (each !== key) return;
        this.events.off(name, listen);
        resolve();
      };
      this.events.on(name, listen);
    });
  }

  /** Counts from now on how often a key is acquired. */
  acquisitions(key: string): () => number {
    let count = 0;
    this.events.on('acquired', (acquired) => {
      if (acquired === key) count += 1;
    });
    return () => count;
  }
}

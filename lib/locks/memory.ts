import type { SignalOptions } from '../async/signal-options.js';
import type { DisposableLock, LockRegistry } from './registry.js';

/** Locks for the callers in this process. They are never lost: `signal` never aborts. */
export class MemoryLocks implements LockRegistry {
  /** Key that is held → its waiters, in the order of arrival. A free key has no entry. */
  readonly #queues = new Map<string, Set<() => void>>();

  async acquire(key: string, { signal }: SignalOptions = {}): Promise<DisposableLock> {
    signal?.throwIfAborted();
    const queue = this.#queues.get(key);
    if (queue === undefined) this.#queues.set(key, new Set());
    else await turn(queue, signal);

    let held = true;
    const release = async () => {
      if (held) this.#handOver(key);
      held = false;
    };
    return { signal: new AbortController().signal, release, [Symbol.asyncDispose]: release };
  }

  /** Hands the key to the first waiter, so that a new caller can't overtake it. */
  #handOver(key: string): void {
    const queue = this.#queues.get(key);
    const [next] = queue ?? [];
    if (next === undefined) {
      this.#queues.delete(key);
    } else {
      queue?.delete(next);
      next();
    }
  }
}

/** Waits in the queue. */
function turn(queue: Set<() => void>, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const enter = () => {
      signal?.removeEventListener('abort', leave);
      resolve();
    };
    const leave = () => {
      queue.delete(enter);
      reject(signal?.reason);
    };
    queue.add(enter);
    signal?.addEventListener('abort', leave, { once: true });
  });
}

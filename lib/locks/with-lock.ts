import type { SignalOptions } from '../async/signal-options.js';
import type { LockRegistry } from './registry.js';

/**
 * Runs work while it holds the lock of a key.
 *
 * @param options.signal ends the wait for the lock; the work itself goes on.
 * @throws as `acquire`, and as the work.
 */
export async function withLock<T>(
  locks: LockRegistry,
  key: string,
  work: () => Promise<T>,
  options: SignalOptions = {},
): Promise<T> {
  const lock = await locks.acquire(key, options);
  try {
    return await work();
  } finally {
    await lock.release();
  }
}

import { SnapshotError } from '../errors.js';
import type { LockRegistry } from './registry.js';

/**
 * A registry that uses `fallback` while `primary` rejects with `LOCK_UNAVAILABLE`. With
 * `new MemoryLocks()` as the fallback, each process then goes on by itself.
 *
 * Both registries are handed over, as the tiers of a `TieredStore` are: `close` closes them.
 */
export function withFallback(
  primary: LockRegistry,
  fallback: LockRegistry,
): Required<LockRegistry> & AsyncDisposable {
  const close = async () => {
    const closing = [primary, fallback].map(async (registry) => registry.close?.());
    // Waits for both, also if one fails.
    await Promise.allSettled(closing);
    await Promise.all(closing);
  };
  return {
    acquire: async (key, options) => {
      try {
        return await primary.acquire(key, options);
      } catch (error) {
        if (!SnapshotError.is(error, 'LOCK_UNAVAILABLE')) throw error;
        return await fallback.acquire(key, options);
      }
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

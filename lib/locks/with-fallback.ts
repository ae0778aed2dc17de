import { SnapshotError } from '../errors.js';
import type { LockRegistry } from './registry.js';

/**
 * A registry that uses `fallback` while `primary` rejects with `LOCK_UNAVAILABLE`. With
 * `new MemoryLocks()` as the fallback, each process then goes on by itself.
 * It has no `close`: whoever made the two closes them.
 */
export function withFallback(primary: LockRegistry, fallback: LockRegistry): LockRegistry {
  return {
    acquire: async (key, options) => {
      try {
        return await primary.acquire(key, options);
      } catch (error) {
        if (!SnapshotError.is(error, 'LOCK_UNAVAILABLE')) throw error;
        return await fallback.acquire(key, options);
      }
    },
  };
}

import { z } from 'zod';
import { callHost } from '../call-host.js';
import { callback, checkOptions } from '../check-options.js';
import { SnapshotError } from '../errors.js';
import type { LockRegistry } from './registry.js';
import { lockRegistrySchema } from './registry-schema.js';

/** The options of `withFallback`. */
export interface FallbackOptions {
  /**
   * Called each time that the fallback gives a lock in place of `primary`, with the failure of
   * `primary`: `LOCK_UNAVAILABLE`. Its errors become warnings of the process.
   *
   * @default a warning of the process, once until `primary` works again
   */
  readonly onDegraded?: ((error: SnapshotError) => void) | undefined;
}

const schema = z.strictObject({
  primary: lockRegistrySchema,
  fallback: lockRegistrySchema,
  onDegraded: callback<(error: SnapshotError) => void>().optional(),
});

/**
 * A registry that uses `fallback` while `primary` rejects with `LOCK_UNAVAILABLE`. With
 * `new MemoryLocks()` as the fallback, each process then goes on by itself. Other failures of
 * `primary` reject `acquire`: if its server refuses the password, that is a mistake to correct, not
 * an outage.
 *
 * It has no `close`: whoever made the two closes them.
 *
 * @throws SnapshotError `INVALID_OPTIONS`
 */
export function withFallback(
  primary: LockRegistry,
  fallback: LockRegistry,
  options: FallbackOptions = {},
): Required<Pick<LockRegistry, 'acquire' | 'ready'>> & Pick<LockRegistry, 'degradation'> {
  const { onDegraded } = checkOptions(schema, { ...options, primary, fallback }, 'withFallback');
  let degradation: SnapshotError | undefined;
  const degraded = (error: SnapshotError) => {
    if (onDegraded !== undefined) callHost('onDegraded', () => onDegraded(error));
    else if (degradation === undefined)
      process.emitWarning(`locks use their fallback: ${error.message}`);
    degradation = error;
  };
  return {
    get degradation() {
      return degradation;
    },
    acquire: async (key, options) => {
      try {
        const lock = await primary.acquire(key, options);
        degradation = undefined;
        return lock;
      } catch (error) {
        if (!SnapshotError.is(error, 'LOCK_UNAVAILABLE')) throw error;
        const lock = await fallback.acquire(key, options);
        degraded(error);
        return lock;
      }
    },
    ready: async () => {
      await Promise.all([primary.ready?.(), fallback.ready?.()]);
    },
  };
}

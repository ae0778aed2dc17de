import { MemoryLocks, SnapshotError } from '../../lib/index.js';
import type { LockRegistry } from '../../lib/locks/index.js';
import { withFallback } from '../../lib/locks/index.js';
import { lockContract } from '../../lib/testing/index.js';

/** A registry that fails with an error. */
function failing(error: Error): LockRegistry {
  return { acquire: () => Promise.reject(error) };
}

const DOWN = failing(new SnapshotError('LOCK_UNAVAILABLE', 'the server is down'));

describe('Locks with a fallback keep the contract', () => {
  lockContract({
    test,
    timeout: 10 * 60_000,
    factory: () => ({ locks: withFallback(DOWN, new MemoryLocks()) }),
  });
});

test('A fallback is used only while the registry is unavailable', async () => {
  const fallback = new MemoryLocks();
  await withFallback(DOWN, fallback).acquire('key');
  await withFallback(new MemoryLocks(), fallback).acquire('key');
  const closed = new SnapshotError('CLOSED', 'it was closed');
  await expect(withFallback(failing(closed), fallback).acquire('other')).rejects.toBe(closed);
});

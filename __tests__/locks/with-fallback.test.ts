import { setImmediate } from 'node:timers/promises';
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

test('Locks with a fallback close both registries', async () => {
  const closed: string[] = [];
  const registry = (name: string): LockRegistry => ({
    ...DOWN,
    close: async () => void closed.push(name),
  });
  await withFallback(registry('primary'), registry('fallback')).close?.();
  expect(closed.sort()).toEqual(['fallback', 'primary']);
});

test('A registry that fails to close does not keep the other one open', async () => {
  const failure = new Error('the connection is gone');
  const primary: LockRegistry = {
    ...DOWN,
    close: () => {
      throw failure;
    },
  };
  let isClosed = false;
  const fallback: LockRegistry = {
    ...DOWN,
    close: async () => {
      await setImmediate();
      isClosed = true;
    },
  };
  await expect(withFallback(primary, fallback).close()).rejects.toBe(failure);
  expect(isClosed).toBe(true);
});

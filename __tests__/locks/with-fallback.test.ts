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
    factory: () => ({ locks: withFallback(DOWN, new MemoryLocks(), { onDegraded: () => {} }) }),
  });
});

test('A fallback is used only while the registry is unavailable', async () => {
  const fallback = new MemoryLocks();
  await withFallback(DOWN, fallback).acquire('key');
  await withFallback(new MemoryLocks(), fallback).acquire('key');
  const closed = new SnapshotError('CLOSED', 'it was closed');
  await expect(withFallback(failing(closed), fallback).acquire('other')).rejects.toBe(closed);
});

describe('While the fallback gives locks,', () => {
  const down = new SnapshotError('LOCK_UNAVAILABLE', 'the server is down');

  test('the process warns once for each outage', async () => {
    const warnings: string[] = [];
    const emitWarning = jest.spyOn(process, 'emitWarning').mockImplementation((warning) => {
      warnings.push(String(warning));
    });
    try {
      let isDown = true;
      const working = new MemoryLocks();
      const primary: LockRegistry = {
        acquire: async (key) => (isDown ? Promise.reject(down) : working.acquire(key)),
      };
      const locks = withFallback(primary, new MemoryLocks());
      const round = async () => (await locks.acquire('key')).release();
      await round();
      await round();
      expect(warnings).toEqual(['locks use their fallback: the server is down']);
      isDown = false;
      await round();
      isDown = true;
      await round();
      expect(warnings).toHaveLength(2);
    } finally {
      emitWarning.mockRestore();
    }
  });

  test('the app can count them', async () => {
    const failures: unknown[] = [];
    const onDegraded = (error: unknown) => failures.push(error);
    const locks = withFallback(DOWN, new MemoryLocks(), { onDegraded });
    await (await locks.acquire('key')).release();
    await locks.acquire('key');
    expect(failures).toEqual([down, down]);
  });
});

test('Locks with a fallback are ready unless a registry can never work', async () => {
  const wrong = new SnapshotError('INVALID_OPTIONS', 'wrong password');
  const refused: LockRegistry = { ...DOWN, ready: () => Promise.reject(wrong) };
  await withFallback(DOWN, new MemoryLocks()).ready();
  await expect(withFallback(refused, new MemoryLocks()).ready()).rejects.toBe(wrong);
  const acquiring = withFallback(failing(wrong), new MemoryLocks()).acquire('key');
  await expect(acquiring).rejects.toBe(wrong);
});

import { getEventListeners } from 'node:events';
import { InProcessLocks } from '../../lib/locks/in-process.js';
import { lockContract } from '../../lib/testing/index.js';
import { memoryInUse } from '../stores/collect-garbage.js';

describe('InProcessLocks contract', () => {
  lockContract({ test, factory: () => ({ locks: new InProcessLocks() }) });
});

describe('InProcessLocks', () => {
  test('two registries know nothing of each other', async () => {
    await new InProcessLocks().acquire('key');
    await new InProcessLocks().acquire('key');
  });

  test('no listener stays on the signal', async () => {
    const locks = new InProcessLocks();
    const controller = new AbortController();
    const { signal } = controller;
    const holder = await locks.acquire('key', { signal });
    const waiter = locks.acquire('key', { signal });
    const leaver = locks.acquire('key', { signal: AbortSignal.any([signal]) });
    await holder.release();
    const lock = await waiter;
    expect(getEventListeners(signal, 'abort').length).toBe(0);
    controller.abort();
    await expect(leaver).rejects.toBe(signal.reason);
    await lock.release();
  });

  test('keys that were released, and waiters that left, take no memory', async () => {
    const locks = new InProcessLocks();
    const holder = await locks.acquire('key');
    const before = await memoryInUse();
    for (let index = 0; index < 10_000; index += 1) {
      const text = Buffer.alloc(1000, `${index} `).toString();
      const lock = await locks.acquire(text);
      await lock.release();
      const controller = new AbortController();
      const waiter = locks.acquire('key', { signal: controller.signal });
      controller.abort(text);
      await waiter.catch(() => undefined);
    }
    expect((await memoryInUse()) - before).toBeLessThan(5_000_000);
    await holder.release();
  });
});

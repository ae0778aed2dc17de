import { getEventListeners } from 'node:events';
import { InProcessLocks } from '../../lib/locks/in-process.js';
import { lockContract } from '../../lib/testing/index.js';
import { memoryInUse } from '../stores/collect-garbage.js';

describe('InProcessLocks contract', () => {
  lockContract({ test, patience: 10 * 60_000, factory: () => ({ locks: new InProcessLocks() }) });
});

describe('InProcessLocks', () => {
  test('does not exclude the locks of another registry', async () => {
    await new InProcessLocks().acquire('key');
    await new InProcessLocks().acquire('key');
  });

  test('leaves no listener on a signal', async () => {
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

  test('needs no memory for released keys and for waiters that left', async () => {
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

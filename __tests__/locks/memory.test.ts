import { getEventListeners } from 'node:events';
import { MemoryLocks } from '../../lib/locks/memory.js';
import { lockContract } from '../../lib/testing/index.js';
import { memoryInUse } from '../stores/collect-garbage.js';

describe('MemoryLocks contract', () => {
  lockContract({ test, timeout: 10 * 60_000, factory: () => ({ locks: new MemoryLocks() }) });
});

describe('MemoryLocks', () => {
  test('does not exclude the locks of another registry', async () => {
    await new MemoryLocks().acquire('key');
    await new MemoryLocks().acquire('key');
  });

  test('gives a key to its waiters in the order in which they asked', async () => {
    const locks = new MemoryLocks();
    const holder = await locks.acquire('key');
    const order: number[] = [];
    const waiters = Array.from({ length: 10 }, async (_, index) => {
      const lock = await locks.acquire('key');
      order.push(index);
      await lock.release();
    });
    await holder.release();
    await Promise.all(waiters);
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test('gives a lock back at the end of the block that declares it', async () => {
    const locks = new MemoryLocks();
    const order: string[] = [];
    let next: Promise<unknown>;
    {
      await using _lock = await locks.acquire('key');
      next = locks.acquire('key').then(() => order.push('next'));
      await locks.acquire('other key');
      order.push('end of the block');
    }
    await next;
    expect(order).toEqual(['end of the block', 'next']);
  });

  test('leaves no listener on a signal', async () => {
    const locks = new MemoryLocks();
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
    const locks = new MemoryLocks();
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

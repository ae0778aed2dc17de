/**
 * @needs redis
 */
import { spawnSync } from 'node:child_process';
import { getEventListeners } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import type { RedisLocks } from '../../lib/locks/redis.js';
import { stopClock } from '../support/stopped-clock.js';
import { HOUR, RedisProcess, redisProgram } from './redis-process.js';
import { loss, sharedRedis } from './shared-redis.js';
import { WatchedClient } from './watched-client.js';

const EAGER = { retryInterval: 5 };
/** Defaults, in milliseconds. */
const RESPONSE_TIMEOUT = 5000;
const LEASE_TIME = 15_000;

const redis = sharedRedis();
const { defer, registry, connect } = redis;

describe('Several registries', () => {
  test('exclude each other', async () => {
    const [one, two] = [registry(EAGER), registry(EAGER)];
    let inside = 0;
    const contend = async (locks: RedisLocks) => {
      const lock = await locks.acquire('key');
      inside += 1;
      expect(inside).toBe(1);
      await (await locks.acquire(`another ${Math.random()}`)).release();
      expect(inside).toBe(1);
      inside -= 1;
      await lock.release();
    };
    await Promise.all(Array.from({ length: 20 }, (_, index) => contend(index % 2 ? one : two)));
  });

  test('exclude each other in processes of their own', async () => {
    const processes = [1, 2].map(() => new RedisProcess(redis.server.url, 'contend'));
    expect(await Promise.all(processes.map((one) => one.ended()))).toEqual([0, 0]);
    await redis.server.ask((client) => client.del('inside'));
  });

  test('serve their own waiters in the order in which they asked', async () => {
    const [one, two] = [registry(EAGER), registry(EAGER)];
    const held = await one.acquire('key');
    const order: number[] = [];
    const waiters = Array.from({ length: 10 }, async (_, index) => {
      const lock = await two.acquire('key');
      order.push(index);
      await lock.release();
    });
    await held.release();
    await Promise.all(waiters);
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test('are given back at the end of the block that declares them', async () => {
    const locks = registry(EAGER);
    {
      await using _lock = await locks.acquire('key');
    }
    await (await registry(EAGER).acquire('key')).release();
  });

  test('with different prefixes do not exclude each other', async () => {
    const [one, two] = [registry({ keyPrefix: 'a:' }), registry({ keyPrefix: 'b:' })];
    await one.acquire('key');
    await two.acquire('key');
    expect((await redis.server.keys()).sort()).toEqual(['mutex:a:key', 'mutex:b:key']);
  });

  test('take over from a process that was killed, once its lease is over', async () => {
    const holder = new RedisProcess(redis.server.url, 'hold');
    defer(() => holder.kill());
    await holder.message();
    await holder.kill();
    const next = registry(EAGER).acquire('key');
    const [key = ''] = await redis.server.keys();
    const left = await redis.server.ask((client) => client.pttl(key));
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual(HOUR);
    // The test ends the lease.
    await redis.server.ask((client) => client.pexpire(key, 1));
    await (await next).release();
  });
});

describe('A waiter', () => {
  test('leaves nothing behind when its signal aborts, wherever it stands', async () => {
    const [one, two] = [registry(EAGER), registry(EAGER)];
    const held = await one.acquire('held');
    const controller = new AbortController();
    const { signal } = controller;
    // The first waits for Redis, the second for the first. The third asks for a free key.
    const waiters = ['held', 'held', 'free'].map((key) => two.acquire(key, { signal }));
    const settled = Promise.allSettled(waiters);
    controller.abort(new Error('no longer wanted'));
    for (const outcome of await settled) {
      expect(outcome).toEqual({ status: 'rejected', reason: signal.reason });
    }
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    // On the same connection, after their requests
    await (await two.acquire('another')).release();
    expect(await redis.server.keys()).toHaveLength(1);
    await held.release();
    await (await two.acquire('held')).release();
  });

  test('is the only one of its process that asks Redis for the key', async () => {
    const watched = new WatchedClient(connect());
    const held = await registry().acquire('key');
    const locks = registry({ client: watched.client, retryInterval: 1 });
    const waiters = Array.from({ length: 20 }, () => locks.acquire('key'));
    await watched.until(({ sets }) => sets > 10);
    expect(watched.mostSetsAtOnce).toBe(1);
    await held.release();
    for (const waiter of waiters) await (await waiter).release();
    expect(watched.mostSetsAtOnce).toBe(1);
  });
});

describe('A Redis server', () => {
  test('that does not exist makes every request for a lock fail', async () => {
    const locks = registry({ url: `${redis.server.url}.missing` });
    await expect(locks.acquire('key')).rejects.toMatchObject({
      code: 'LOCK_UNAVAILABLE',
      message: expect.stringContaining('ENOENT'),
      cause: expect.objectContaining({ code: 'ENOENT' }),
    });
  });

  test('that does not answer makes all waiters fail at once', async () => {
    const watched = new WatchedClient(connect());
    const clock = stopClock(defer);
    const locks = registry({ client: watched.client });
    await (await locks.acquire('before')).release();
    redis.server.freeze();
    try {
      const asking = Array.from({ length: 20 }, () => locks.acquire('key'));
      while (watched.sets < 2) await setImmediate();
      clock.tick(RESPONSE_TIMEOUT);
      for (const outcome of await Promise.allSettled(asking)) {
        expect(outcome).toMatchObject({ reason: { code: 'LOCK_UNAVAILABLE' } });
      }
    } finally {
      redis.server.thaw();
    }
    expect(watched.sets).toBe(2);
  });

  test('that answers too late gives no lock to waiters that gave up', async () => {
    const watched = new WatchedClient(connect());
    const clock = stopClock(defer);
    const locks = registry({ client: watched.client });
    await (await locks.acquire('before')).release();
    redis.server.freeze();
    try {
      const asking = ['key', 'key', 'other'].map((key) => locks.acquire(key));
      while (watched.sets < 3) await setImmediate();
      clock.tick(RESPONSE_TIMEOUT + 1);
      for (const outcome of await Promise.allSettled(asking)) {
        expect(outcome).toMatchObject({ reason: { code: 'LOCK_UNAVAILABLE' } });
      }
    } finally {
      redis.server.thaw();
    }
    clock.uninstall();
    // On the same connection, after the requests that failed
    await (await lockAfterwards(locks)).release();
    expect(await redis.server.keys()).toEqual([]);
  });

  test('that stops makes waiters fail, and gives locks again once it is back', async () => {
    const [one, two] = [registry(), registry(EAGER)];
    const clock = stopClock(defer);
    const held = await one.acquire('key');
    clock.uninstall();
    const waiters = [1, 2, 3].map(() => two.acquire('key'));
    const settled = Promise.allSettled(waiters);
    await redis.server.stop();
    for (const outcome of await settled) {
      expect(outcome).toMatchObject({ reason: { code: 'LOCK_UNAVAILABLE' } });
    }
    clock.tick(LEASE_TIME);
    expect(await loss(held.signal)).toMatchObject({ code: 'LOCK_LOST' });
    await held.release();
    await redis.server.restart();
    await (await lockAfterwards(two)).release();
    expect(await redis.server.keys()).toEqual([]);
  });
});

test('An answer that arrives while this process stands still is in time', async () => {
  const client = connect();
  await client.ping();
  const watched = new WatchedClient(client);
  const locks = registry({ client: watched.client, responseTimeout: 1 });
  const acquiring = locks.acquire('key');
  while (watched.sets === 0) await Promise.resolve();
  // Ends when Redis shows that it has the key: later than the timeout, and before this process reads the answer.
  const { status } = spawnSync(process.execPath, [redisProgram, redis.server.url, 'see']);
  expect(status).toBe(0);
  await (await acquiring).release();
});

describe('Closing a registry', () => {
  test('rejects its waiters and lets the process end', async () => {
    const closed = new RedisProcess(redis.server.url, 'close');
    defer(() => closed.kill());
    expect(await closed.ended()).toBe(0);
    expect(closed.messages).toEqual(['CLOSED', 'CLOSED']);
    expect(await redis.server.keys()).toEqual([]);
  });

  test('leaves the client of the host app open', async () => {
    const client = connect();
    const locks = registry({ client });
    await (await locks.acquire('key')).release();
    await locks.close();
    await locks.close();
    expect(await client.ping()).toBe('PONG');
  });

  test('needs no answer from the server', async () => {
    const locks = registry({ url: `${redis.server.url}.missing` });
    await expect(locks.acquire('key')).rejects.toMatchObject({ code: 'LOCK_UNAVAILABLE' });
    await locks.close();
    await registry().close();
  });
});

test('Held locks and waiters do not keep a process alive', async () => {
  const disconnected = new RedisProcess(redis.server.url, 'disconnect');
  defer(() => disconnected.kill());
  expect(await disconnected.ended()).toBe(0);
  await redis.server.ask(async (client) => client.del(await client.keys('*')));
});

/** A lock of a registry whose client may still have to connect again. */
async function lockAfterwards(locks: RedisLocks) {
  for (;;) {
    try {
      return await locks.acquire('after');
    } catch (error) {
      expect(error).toMatchObject({ code: 'LOCK_UNAVAILABLE' });
    }
  }
}

/**
 * @needs redis
 */
import { setImmediate } from 'node:timers/promises';
import { stopClock } from '../support/stopped-clock.js';
import { loss, sharedRedis } from './shared-redis.js';
import { WatchedClient } from './watched-client.js';

/** Milliseconds; nothing is as slow as that. */
const LEASE_TIME = 600_000;
const RENEWAL = LEASE_TIME / 3;
const LONG = { leaseTime: LEASE_TIME, retryInterval: 5 };

const redis = sharedRedis();
const { defer, registry, connect } = redis;

describe('A lease', () => {
  test('is renewed for as long as the lock is held', async () => {
    const watched = new WatchedClient(connect());
    const clock = stopClock(defer);
    const lock = await registry({ client: watched.client, ...LONG }).acquire('key');
    const [key = ''] = await redis.server.keys();
    await redis.server.ask((client) => client.pexpire(key, LEASE_TIME / 2));
    for (let renewals = 1; renewals <= 5; renewals += 1) {
      clock.tick(RENEWAL);
      await watched.until(({ answeredScripts }) => answeredScripts === renewals);
      await setImmediate();
    }
    expect(lock.signal.aborted).toBe(false);
    expect(await redis.server.ask((client) => client.pttl(key))).toBeGreaterThan(LEASE_TIME / 2);
    await lock.release();
    expect(await redis.server.keys()).toEqual([]);
  });

  test('is lost when the key is deleted, and its release does not harm the next holder', async () => {
    const clock = stopClock(defer);
    const [one, two] = [registry(LONG), registry(LONG)];
    const lock = await one.acquire('key');
    await redis.server.ask(async (client) => client.del(await client.keys('*')));
    const next = await two.acquire('key');
    clock.tick(RENEWAL);
    expect(await loss(lock.signal)).toMatchObject({
      code: 'LOCK_LOST',
      message: expect.stringContaining('somebody else'),
    });
    await lock.release();
    await lock.release();
    expect(await redis.server.keys()).toHaveLength(1);
    expect(next.signal.aborted).toBe(false);
    await next.release();
  });

  test('is lost when the server does not answer, and does not come back with it', async () => {
    const clock = stopClock(defer);
    const [one, two] = [registry(LONG), registry(LONG)];
    const lock = await one.acquire('key');
    redis.server.freeze();
    try {
      clock.tick(LEASE_TIME);
      expect(await loss(lock.signal)).toMatchObject({ code: 'LOCK_LOST' });
    } finally {
      redis.server.thaw();
    }
    const next = await two.acquire('key');
    await lock.release();
    expect(lock.signal.aborted).toBe(true);
    expect(next.signal.aborted).toBe(false);
    expect(await redis.server.keys()).toHaveLength(1);
    await next.release();
  });

  test('survives renewals that fail, if another one succeeds in time', async () => {
    const watched = new WatchedClient(connect());
    const clock = stopClock(defer);
    const lock = await registry({ client: watched.client, ...LONG }).acquire('key');
    watched.failScripts(3);
    await clock.tickAsync(RENEWAL);
    while (watched.scripts < 4) await clock.tickAsync(LONG.retryInterval);
    await watched.until(({ answeredScripts }) => answeredScripts === 1);
    await setImmediate();
    // The first lease would be over by now.
    clock.tick(LEASE_TIME - RENEWAL);
    await setImmediate();
    expect(lock.signal.aborted).toBe(false);
    await lock.release();
  });

  test('that was renewed counts from when the renewal was sent, however late the answer is', async () => {
    const watched = new WatchedClient(connect());
    const clock = stopClock(defer);
    const lock = await registry({ client: watched.client, ...LONG }).acquire('key');
    const delay = LEASE_TIME / 2;
    defer(() => redis.server.thaw());
    redis.server.freeze();
    clock.tick(RENEWAL);
    clock.tick(delay);
    redis.server.thaw();
    await watched.until(({ answeredScripts }) => answeredScripts === 1);
    await setImmediate();
    // No other renewal succeeds.
    redis.server.freeze();
    clock.tick(LEASE_TIME - delay - 1);
    await setImmediate();
    expect(lock.signal.aborted).toBe(false);
    clock.tick(1);
    await setImmediate();
    expect(lock.signal.aborted).toBe(true);
  });

  test('ends with the registry', async () => {
    const locks = registry();
    const lock = await locks.acquire('key');
    await locks.close();
    expect(await loss(lock.signal)).toMatchObject({ code: 'CLOSED' });
    await lock.release();
    expect(await redis.server.keys()).toEqual([]);
    await expect(locks.acquire('key')).rejects.toMatchObject({ code: 'CLOSED' });
  });
});

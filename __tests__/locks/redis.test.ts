import { getEventListeners, once } from 'node:events';
import { Redis } from 'ioredis';
import type { SnapshotError } from '../../lib/index.js';
import { RedisLocks, type RedisLocksOptions } from '../../lib/locks/redis.js';
import { RedisServer } from '../support/redis-server.js';
import { cleanup } from '../support/temporary-directory.js';
import { RedisProcess } from './redis-process.js';
import { WatchedClient } from './watched-client.js';

/** For locks that are to be lost: on a busy machine they may be at any time. */
const SHORT = { leaseTime: 300, retryInterval: 5 };
const EAGER = { retryInterval: 5 };

const { defer } = cleanup(afterEach);
let server: RedisServer;

beforeAll(async () => {
  server = await RedisServer.start();
});

afterAll(() => server?.close());

/** A registry with a connection of its own, as another process would have one. */
function registry(options: RedisLocksOptions = {}): RedisLocks {
  const { client } = options;
  const locks = new RedisLocks({ ...(client === undefined && { url: server.url }), ...options });
  defer(() => locks.close());
  return locks;
}

/** A connection that is not a registry's. */
function connect(): Redis {
  const client = new Redis(server.url);
  defer(() => client.disconnect());
  return client;
}

/** The reason of the signal of a lock that was lost, once it is. */
async function loss(signal: AbortSignal): Promise<SnapshotError> {
  if (!signal.aborted) await once(signal, 'abort');
  return signal.reason;
}

describe('several registries', () => {
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
    const processes = [1, 2].map(() => new RedisProcess(server.url, 'contend'));
    expect(await Promise.all(processes.map((one) => one.ended()))).toEqual([0, 0]);
    await server.ask((client) => client.del('inside'));
  });

  test('serve their own waiters in the order in which they asked, also after one another', async () => {
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

  test('with another prefix know nothing of each other', async () => {
    const [one, two] = [registry({ keyPrefix: 'a:' }), registry({ keyPrefix: 'b:' })];
    await one.acquire('key');
    await two.acquire('key');
    expect((await server.keys()).sort()).toEqual(['mutex:a:key', 'mutex:b:key']);
  });

  test('take over from a process that was killed', async () => {
    const holder = new RedisProcess(server.url, 'hold');
    defer(() => holder.kill());
    await holder.message();
    await holder.kill();
    expect(await server.keys()).toHaveLength(1);
    await registry(EAGER).acquire('key');
  });
});

describe('a lease', () => {
  test('is renewed for as long as the lock is held', async () => {
    const watched = new WatchedClient(connect());
    const lock = await registry({ client: watched.client, leaseTime: 900, ...EAGER }).acquire(
      'key',
    );
    // One in each third of a lease
    await watched.until(({ scripts }) => scripts > 4);
    expect(lock.signal.aborted).toBe(false);
    expect(await server.keys()).toHaveLength(1);
    await lock.release();
    expect(await server.keys()).toEqual([]);
  });

  test('is lost when the key is deleted, and not released to the harm of the next holder', async () => {
    const [one, two] = [registry(SHORT), registry(EAGER)];
    const lock = await one.acquire('key');
    await server.ask(async (client) => client.del(await client.keys('*')));
    const next = await two.acquire('key');
    expect(await loss(lock.signal)).toMatchObject({
      code: 'LOCK_FAILED',
      message: expect.stringContaining('somebody else'),
    });
    await lock.release();
    await lock.release();
    expect(await server.keys()).toHaveLength(1);
    expect(next.signal.aborted).toBe(false);
    await next.release();
  });

  test('is lost when the server does not answer, and does not come back with it', async () => {
    const [one, two] = [registry(SHORT), registry(EAGER)];
    const lock = await one.acquire('key');
    server.freeze();
    try {
      expect(await loss(lock.signal)).toMatchObject({ code: 'LOCK_FAILED' });
    } finally {
      server.thaw();
    }
    const next = await two.acquire('key');
    await lock.release();
    expect(lock.signal.aborted).toBe(true);
    expect(next.signal.aborted).toBe(false);
    expect(await server.keys()).toHaveLength(1);
    await next.release();
  });

  test('survives renewals that fail, if another one succeeds in time', async () => {
    const watched = new WatchedClient(connect());
    const lock = await registry({ client: watched.client, leaseTime: 900, ...EAGER }).acquire(
      'key',
    );
    watched.failScripts(3);
    await watched.until(({ scripts }) => scripts > 4);
    expect(lock.signal.aborted).toBe(false);
    await lock.release();
  });

  test('ends with the registry', async () => {
    const locks = registry();
    const lock = await locks.acquire('key');
    await locks.close();
    expect(await loss(lock.signal)).toMatchObject({ code: 'CLOSED' });
    await lock.release();
    expect(await server.keys()).toEqual([]);
    await expect(locks.acquire('key')).rejects.toMatchObject({ code: 'CLOSED' });
  });
});

describe('a waiter', () => {
  test('leaves nothing behind when its signal aborts, wherever it stands', async () => {
    const [one, two] = [registry(EAGER), registry(EAGER)];
    const held = await one.acquire('held');
    const controller = new AbortController();
    const { signal } = controller;
    // Held elsewhere, behind that in line, and a free key that is being asked for
    const waiters = ['held', 'held', 'free'].map((key) => two.acquire(key, { signal }));
    const settled = Promise.allSettled(waiters);
    controller.abort(new Error('no longer wanted'));
    for (const outcome of await settled) {
      expect(outcome).toEqual({ status: 'rejected', reason: signal.reason });
    }
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    // On the same connection, after all that they sent
    await (await two.acquire('another')).release();
    expect(await server.keys()).toHaveLength(1);
    await held.release();
    await (await two.acquire('held')).release();
  });

  test('is the only one of its process that asks for the key', async () => {
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

describe('a server', () => {
  test('that is not there fails whoever asks', async () => {
    const locks = registry({ url: `${server.url}.missing` });
    await expect(locks.acquire('key')).rejects.toMatchObject({
      code: 'LOCK_FAILED',
      message: expect.stringContaining('ENOENT'),
      cause: expect.objectContaining({ code: 'ENOENT' }),
    });
  });

  test('that does not answer fails all who stand in line, not one after the other', async () => {
    const watched = new WatchedClient(connect());
    const locks = registry({ client: watched.client, responseTimeout: 100 });
    await (await locks.acquire('before')).release();
    server.freeze();
    try {
      const asking = Array.from({ length: 20 }, () => locks.acquire('key'));
      for (const outcome of await Promise.allSettled(asking)) {
        expect(outcome).toMatchObject({ reason: { code: 'LOCK_FAILED' } });
      }
    } finally {
      server.thaw();
    }
    expect(watched.sets).toBe(2);
  });

  test('that does not answer fails whoever asks, and later does nothing for them', async () => {
    const locks = registry({ responseTimeout: 100 });
    await (await locks.acquire('before')).release();
    server.freeze();
    try {
      const asking = ['key', 'key', 'other'].map((key) => locks.acquire(key));
      for (const outcome of await Promise.allSettled(asking)) {
        expect(outcome).toMatchObject({ reason: { code: 'LOCK_FAILED' } });
      }
    } finally {
      server.thaw();
    }
    // On the same connection, after what was asked in vain
    await (await lockAfterwards(locks)).release();
    expect(await server.keys()).toEqual([]);
  });

  test('that stops fails whoever waits, and works for them again once it is back', async () => {
    const [one, two] = [registry(SHORT), registry(EAGER)];
    const held = await one.acquire('key');
    const waiters = [1, 2, 3].map(() => two.acquire('key'));
    const settled = Promise.allSettled(waiters);
    await server.stop();
    for (const outcome of await settled) {
      expect(outcome).toMatchObject({ reason: { code: 'LOCK_FAILED' } });
    }
    expect(await loss(held.signal)).toMatchObject({ code: 'LOCK_FAILED' });
    await held.release();
    await server.restart();
    await (await lockAfterwards(two)).release();
    expect(await server.keys()).toEqual([]);
  });
});

describe('close', () => {
  test('ends all that keeps a process alive, and what waits', async () => {
    const closed = new RedisProcess(server.url, 'close');
    defer(() => closed.kill());
    expect(await closed.ended()).toBe(0);
    expect(closed.messages).toEqual(['CLOSED', 'CLOSED']);
    expect(await server.keys()).toEqual([]);
  });

  test('leaves a client open that it was given', async () => {
    const client = connect();
    const locks = registry({ client });
    await (await locks.acquire('key')).release();
    await locks.close();
    await locks.close();
    expect(await client.ping()).toBe('PONG');
  });

  test('does not wait for a server that is not there', async () => {
    const locks = registry({ url: `${server.url}.missing` });
    await expect(locks.acquire('key')).rejects.toMatchObject({ code: 'LOCK_FAILED' });
    await locks.close();
    await registry().close();
  });
});

test('timers do not keep a process alive', async () => {
  const disconnected = new RedisProcess(server.url, 'disconnect');
  defer(() => disconnected.kill());
  expect(await disconnected.ended()).toBe(0);
  await server.ask(async (client) => client.del(await client.keys('*')));
});

/** A lock of a registry whose client may still have to connect again. */
async function lockAfterwards(locks: RedisLocks) {
  for (;;) {
    try {
      return await locks.acquire('after');
    } catch (error) {
      expect(error).toMatchObject({ code: 'LOCK_FAILED' });
    }
  }
}

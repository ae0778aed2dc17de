import { Redis } from 'ioredis';
import type { SnapshotError } from '../../lib/index.js';
import { RedisLocks, type RedisLocksOptions } from '../../lib/locks/redis.js';
import { RedisServer } from '../support/redis-server.js';
import { type Cleanup, cleanup } from '../support/temporary-directory.js';

/** A server that all tests of a suite share; what they take of it ends with them. */
export interface SharedRedis {
  readonly defer: Cleanup['defer'];
  readonly server: RedisServer;
  /** Makes a registry with a connection of its own, as another process would have one. */
  registry(options?: RedisLocksOptions): RedisLocks;
  /** Makes a connection that is not a registry's. */
  connect(): Redis;
}

/** Registers the hooks that start and end it. */
export function sharedRedis(): SharedRedis {
  const { defer } = cleanup(afterEach);
  let server: RedisServer | undefined;
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server?.close());
  const started = () => {
    if (server === undefined) throw new Error('no test has begun');
    return server;
  };
  return {
    defer,
    get server() {
      return started();
    },
    registry(options = {}) {
      const url = options.client === undefined ? { url: started().url } : {};
      const locks = new RedisLocks({ ...url, ...options });
      defer(() => locks.close());
      return locks;
    },
    connect() {
      const client = new Redis(started().url);
      defer(() => client.disconnect());
      return client;
    },
  };
}

/** The reason of the signal of a lock that was lost, once it is. */
export async function loss(signal: AbortSignal): Promise<SnapshotError> {
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
  return signal.reason;
}

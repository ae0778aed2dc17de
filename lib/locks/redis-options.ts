import type { Mutex } from 'redis-semaphore';
import { z } from 'zod';
import { methods, milliseconds } from '../check-options.js';

/** The commands that `RedisLocks` needs, of an ioredis client or `Cluster`. */
export type RedisClient = ConstructorParameters<typeof Mutex>[0];

export const redisLocksSchema = z
  .strictObject({
    /** Your own client; `close` leaves it open. Give either this or `url`. */
    client: methods<RedisClient>(['set', 'eval', 'evalsha'], 'a client of ioredis').optional(),
    /** The server's address: `redis://…`, `rediss://…` or the path of a Unix socket. */
    url: z
      .string()
      .refine(isAddress, 'must be redis://…, rediss://… or an absolute path')
      .optional(),
    /** Keys in Redis: `mutex:{keyPrefix}{key}`. Processes that share locks need the same one. */
    keyPrefix: z.string().default('express-git-snapshot:'),
    /**
     * Milliseconds after which the lock of a dead holder is free. A lock is renewed after a third
     * of that time. Risk: a holder whose event loop stands still for longer loses its locks.
     */
    leaseTime: milliseconds.min(100).default(15_000),
    /** Milliseconds between two attempts at a key that is held, give or take a half. */
    retryInterval: milliseconds.default(100),
    /** Milliseconds for the server to answer, at most 9,000; never more than `leaseTime`. */
    responseTimeout: milliseconds.max(9000).default(5000),
  })
  .refine(
    ({ client, url }) => (client === undefined) !== (url === undefined),
    'one of client and url must be given, and not both',
  );

function isAddress(url: string): boolean {
  return url.startsWith('/') || (/^rediss?:\/\//.test(url) && URL.canParse(url));
}

/** The options of `RedisLocks`. */
export type RedisLocksOptions = z.input<typeof redisLocksSchema>;
export type RedisLocksConfig = z.output<typeof redisLocksSchema> & {
  readonly client: RedisClient;
};

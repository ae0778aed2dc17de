import { z } from 'zod';
import { methods, milliseconds } from '../check-options.js';
import type { RedisClient } from './redis-options.js';

/** The checks of `RedisLocksOptions`. */
export const redisLocksSchema = z
  .strictObject({
    client: methods<RedisClient>(['set', 'eval', 'evalsha'], 'a client of ioredis').optional(),
    url: z
      .string()
      .refine(isAddress, 'must be redis://…, rediss://… or an absolute path')
      .optional(),
    keyPrefix: z.string().default('express-git-snapshot:'),
    leaseTime: milliseconds.min(100).default(15_000),
    retryInterval: milliseconds.default(100),
    responseTimeout: milliseconds.max(9000).default(5000),
  })
  .refine(
    ({ client, url }) => (client === undefined) !== (url === undefined),
    'one of client and url must be given, and not both',
  );

function isAddress(url: string): boolean {
  return url.startsWith('/') || (/^rediss?:\/\//.test(url) && URL.canParse(url));
}

export type RedisLocksConfig = z.output<typeof redisLocksSchema> & {
  readonly client: RedisClient;
};

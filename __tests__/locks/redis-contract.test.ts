/**
 * @needs redis
 */
import { RedisLocks } from '../../lib/locks/redis.js';
import { lockContract } from '../../lib/testing/index.js';
import { RedisServer } from '../support/redis-server.js';

let server: RedisServer;

beforeAll(async () => {
  server = await RedisServer.start();
});

afterAll(() => server?.close());

describe('RedisLocks contract', () => {
  lockContract({
    test,
    timeout: 10 * 60_000,
    factory: () => ({
      locks: new RedisLocks({ url: server.url, responseTimeout: 9000 }),
      another: () => new RedisLocks({ url: server.url, responseTimeout: 9000 }),
      cleanup: async () => expect(await server.keys()).toEqual([]),
    }),
  });
});

test.each<[string, object]>([
  ['client', {}],
  ['client', { url: 'redis://x', client: { set() {}, eval() {}, evalsha() {} } }],
  ['client', { client: {} }],
  ['leaseTime', { url: 'redis://x', leaseTime: 0 }],
  ['retryInterval', { url: 'redis://x', retryInterval: 0.5 }],
  ['responseTimeout', { url: 'redis://x', responseTimeout: 9001 }],
  ['url', { url: 'http://x' }],
  ['url', { url: 'localhost:6379' }],
  ['url', { url: 'redis://x:99999' }],
  ['prefix', { url: 'redis://x', prefix: 'x' }],
])('A wrong %s is refused: %p', (name, options) => {
  expect(() => new RedisLocks(options)).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTIONS', message: expect.stringContaining(name) }),
  );
});

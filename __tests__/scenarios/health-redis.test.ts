/**
 * @needs redis
 * @one-node-version
 */
import { createSnapshotService, MemoryLocks, type SnapshotService } from '../../lib/index.js';
import { withFallback } from '../../lib/locks/index.js';
import { sharedRedis } from '../locks/shared-redis.js';
import { cleanup } from '../support/temporary-directory.js';

const redis = sharedRedis();
const { directory, defer } = cleanup(afterEach);

/** Lets the last answers become too old. */
function passMaxAge(): void {
  const { now } = performance;
  performance.now = () => now.call(performance) + 3000;
  defer(() => {
    performance.now = now;
  });
}

/** Asks until the answer about the locks has this code: Redis gets a second to come back. */
async function untilLocksHave(service: SnapshotService, code: string | undefined) {
  passMaxAge();
  for (;;) {
    const health = await service.health();
    if (health.checks['locks:responseTime'][0]?.code === code) return health;
  }
}

test.each([
  ['is not ready until Redis is back', false],
  ['and whose locks have a fallback is ready, with a warning until Redis is back', true],
])('A service whose Redis is away %s', async (_what, fallback) => {
  const redisLocks = redis.registry();
  const onDegraded = () => {};
  const locks = fallback ? withFallback(redisLocks, new MemoryLocks(), { onDegraded }) : redisLocks;
  const service = createSnapshotService({
    dataDir: await directory(),
    hosts: ['git.test'],
    logger: false,
    locks,
  });
  defer(() => service.close());
  await service.ready();
  expect(await service.health()).toMatchObject({ status: 'pass' });
  await redis.server.stop();
  expect(await untilLocksHave(service, 'LOCK_UNAVAILABLE')).toMatchObject({
    status: fallback ? 'warn' : 'fail',
    live: true,
    ready: fallback,
  });
  await redis.server.restart();
  expect(await untilLocksHave(service, undefined)).toMatchObject({ status: 'pass', ready: true });
});

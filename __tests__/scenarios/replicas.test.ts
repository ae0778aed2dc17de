/**
 * @needs redis
 * @one-node-version
 */

import { createHash } from 'node:crypto';
import { on } from 'node:events';
import { watch } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { restoreSnapshot } from '../../lib/client/index.js';
import { MemoryLocks } from '../../lib/index.js';
import { withFallback } from '../../lib/locks/index.js';
import { RedisLocks } from '../../lib/locks/redis.js';
import { AppProcess } from '../support/app-process.js';
import { freshRepository } from '../support/fresh-repository.js';
import { fsck } from '../support/fsck.js';
import { HOST } from '../support/host-app.js';
import { RedisServer } from '../support/redis-server.js';
import { git } from '../support/run.js';
import { type S3Server, startS3Server } from '../support/s3-server.js';
import { listen } from '../support/service-events.js';
import { push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';

/*
 * Processes with disks of their own that share a store at a server and locks in Redis.
 */

const shared = cleanup(afterAll);
const { directory, defer } = cleanup(afterEach);
/** Milliseconds. Longer than a process stands still on a busy machine, so that leases are lost only on purpose. */
const LEASE_TIME = 10 * 60_000;
const REPLICAS = 3;

async function startRedis(): Promise<RedisServer> {
  const redis = await RedisServer.start();
  defer(() => redis.close());
  return redis;
}

describe('Three replicas in processes of their own', () => {
  let s3: S3Server;

  beforeAll(async () => {
    s3 = await startS3Server(shared);
  });

  async function start() {
    const repository = await freshRepository({ directory, defer });
    const redis = await startRedis();
    const bucket = await s3.makeBucket();
    const log = join(await directory(), 'log');
    await writeFile(log, '');
    const fleet = { redisUrl: redis.url, leaseTime: LEASE_TIME, bucket, s3: s3.config };
    const replicas = await Promise.all(
      Array.from({ length: REPLICAS }, async () => {
        const dataDir = await directory();
        const upstreamUrl = repository.upstream.url;
        const replica = await AppProcess.start({ dataDir, upstreamUrl, log, fleet });
        defer(() => replica.kill());
        return replica;
      }),
    );
    const count = async (name: string) => {
      const events = (await replicas[0]?.events()) ?? [];
      return events.filter((event) => event === name).length;
    };
    return {
      repository,
      redis,
      replicas,
      urls: (path: string) =>
        replicas.map(({ url }) => `${url}/git/${HOST}/${path}/snapshot.tar.zst`),
      count,
      /** Resolves when all processes together have reported an event `times` times. */
      async untilCounted(name: string, times: number): Promise<void> {
        const watcher = watch(log);
        try {
          const changes = on(watcher, 'change');
          while ((await count(name)) < times) await changes.next();
        } finally {
          watcher.close();
        }
      },
    };
  }

  test('clone and build each of ten repositories once for 200 clients at a time', async () => {
    const { repository, urls, count } = await start();
    const paths = Array.from({ length: 10 }, (_, i) => `org/repo-${i}`);
    const bares = new Map<string, string>();
    for (const path of paths) {
      const bare = await repository.add(path);
      await push(bare, { files: { 'n.txt': `${path}\n` } });
      bares.set(path, bare);
    }
    const digests = new Map(paths.map((path) => [path, new Set<string>()]));
    const asked = Array.from({ length: 200 }, async (_, i) => {
      const path = paths[i % paths.length] ?? '';
      const response = await fetch(urls(path)[i % REPLICAS] ?? '');
      const body = Buffer.from(await response.arrayBuffer());
      expect([response.status, response.status === 200 || body.toString()]).toEqual([200, true]);
      digests.get(path)?.add(createHash('sha256').update(body).digest('hex'));
    });
    await Promise.all(asked);
    expect([await count('clone started'), await count('build done')]).toEqual([10, 10]);
    for (const [path, bare] of bares) {
      expect(digests.get(path)?.size).toBe(1);
      const target = join(await directory(), 'restored');
      await restoreSnapshot({ url: urls(path)[0] ?? '', directory: target });
      expect(await fsck(target)).toEqual([]);
      expect(await git(target, 'rev-parse', 'HEAD')).toBe(await git(bare, 'rev-parse', 'HEAD'));
    }
  });

  test('take over from a replica that dies while it clones', async () => {
    const { repository, redis, replicas, urls, count, untilCounted } = await start();
    const { path, upstream } = repository;
    replicas[0]?.order({ kind: 'kill', at: 'build started' });
    const gate = upstream.gate(path);
    const [first = '', ...others] = urls(path);
    const lost = fetch(first).then((response) => response.arrayBuffer());
    const gone = Promise.all([replicas[0]?.gone(), expect(lost).rejects.toThrow()]);
    await gate.reached;
    const answers = others.map((url) => fetch(url));
    await untilCounted('miss', REPLICAS);
    gate.release();
    await gone;
    // The others wait for its lease to end. The test ends it at once.
    expect(await count('clone started')).toBe(1);
    await redis.ask(async (client) => {
      const leases = await client.keys('*');
      expect(leases.length).toBeGreaterThan(0);
      for (const lease of leases) {
        expect(await client.pttl(lease)).toBeGreaterThan(0);
        await client.del(lease);
      }
    });
    for (const answer of await Promise.all(answers)) {
      expect(answer.status).toBe(200);
      await answer.arrayBuffer();
    }
    expect([await count('clone started'), await count('build done')]).toEqual([2, 1]);
  });
});

test.each([
  ['others fail', undefined, 503],
  ['with a fallback each process builds the others by itself', new MemoryLocks(), 200],
])('When Redis stops, stored snapshots are served, and %s', async (_, fallback, status) => {
  const repository = await freshRepository({ directory, defer });
  const redis = await startRedis();
  const redisLocks = new RedisLocks({ url: redis.url });
  const locks = fallback === undefined ? redisLocks : withFallback(redisLocks, fallback);
  defer(() => redisLocks.close());
  const app = await repository.startApp({ locks });
  const get = async (query = '') => {
    const response = await fetch(`${app.snapshotUrl(repository.path)}${query}`);
    await response.arrayBuffer();
    return response.status;
  };
  expect(await get()).toBe(200);
  await app.router.service.refresh(repository.id);
  await redis.stop();
  const told: string[] = [];
  listen(app.router.service, 'build failed', ({ error }) => told.push(error.code));
  expect(await get()).toBe(200);
  expect(await get('?depth=1')).toBe(status);
  expect(told).toEqual(status === 200 ? [] : ['LOCK_UNAVAILABLE']);
  await redis.restart();
  expect(await get('?depth=2')).toBe(200);
});

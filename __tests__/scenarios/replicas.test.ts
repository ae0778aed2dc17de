import { createHash } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { FileSystemStore, InProcessLocks, MemoryStore, TieredStore } from '../../lib/index.js';
import { RedisLocks } from '../../lib/locks/redis.js';
import { S3Store } from '../../lib/stores/s3/index.js';
import { AppProcess } from '../support/app-process.js';
import { extract } from '../support/clone.js';
import { fakeDate } from '../support/fake-date.js';
import { freshRepository, next, read } from '../support/fresh-repository.js';
import { fsck } from '../support/fsck.js';
import { HOST, startHostApp } from '../support/host-app.js';
import { RedisServer } from '../support/redis-server.js';
import { git } from '../support/run.js';
import { type S3Server, startS3Server } from '../support/s3-server.js';
import { buildSmall, push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';
import { startUpstream } from '../support/upstream.js';

/*
 * Processes with disks of their own that share store and locks.
 */

const shared = cleanup(afterAll);
const { directory, defer } = cleanup(afterEach);
const LEASE_TIME = 1000;

let s3: S3Server;

beforeAll(async () => {
  s3 = await startS3Server(shared);
});

async function startRedis(): Promise<RedisServer> {
  const redis = await RedisServer.start();
  defer(() => redis.close());
  return redis;
}

describe('three processes', () => {
  async function start(paths: readonly string[]) {
    const root = await directory();
    for (const [i, path] of paths.entries()) {
      await buildSmall(join(root, `${path}.git`));
      await push(join(root, `${path}.git`), { files: { 'n.txt': `${i}\n` } });
    }
    const upstream = await startUpstream({ root });
    defer(() => upstream.close());
    const redis = await startRedis();
    const bucket = await s3.makeBucket();
    const log = join(await directory(), 'log');
    const fleet = { redisUrl: redis.url, leaseTime: LEASE_TIME, bucket, s3: s3.config };
    const replicas = await Promise.all(
      Array.from({ length: 3 }, async () => {
        const dataDir = await directory();
        const replica = await AppProcess.start({
          dataDir,
          upstreamUrl: upstream.url,
          log,
          fleet,
        });
        defer(() => replica.kill());
        return replica;
      }),
    );
    const urls = (path: string) =>
      replicas.map(({ url }) => `${url}/git/${HOST}/${path}/snapshot.tar.zst`);
    const count = async (name: string) => {
      const events = (await replicas[0]?.events()) ?? [];
      return events.filter((event) => event.name === name).length;
    };
    return { root, replicas, urls, count };
  }

  test('clone and generate each of ten repositories once, for 200 clients at a time', async () => {
    const paths = Array.from({ length: 10 }, (_, i) => `org/repo-${i}`);
    const { root, urls, count } = await start(paths);
    const digests = new Map(paths.map((path) => [path, new Set<string>()]));
    const asked = Array.from({ length: 200 }, async (_, i) => {
      const path = paths[i % paths.length] ?? '';
      const response = await fetch(urls(path)[i % 3] ?? '');
      expect(response.status).toBe(200);
      const hash = createHash('sha256').update(Buffer.from(await response.arrayBuffer()));
      digests.get(path)?.add(hash.digest('hex'));
    });
    await Promise.all(asked);
    expect([await count('cloneStarted'), await count('generationFinished')]).toEqual([10, 10]);
    for (const [path, of] of digests) {
      expect(of.size).toBe(1);
      const target = join(await directory(), 'restored');
      await extract(urls(path)[0] ?? '', target);
      expect(await fsck(target)).toEqual([]);
      expect(await git(target, 'rev-parse', 'HEAD')).toBe(
        await git(join(root, `${path}.git`), 'rev-parse', 'HEAD'),
      );
    }
  });

  test('take over from one that dies as it generates', async () => {
    const path = 'org/repo';
    const { replicas, urls, count } = await start([path]);
    replicas[0]?.order({ kind: 'kill', at: 'cloneFinished', delay: 0 });
    const [first = '', ...others] = urls(path);
    const lost = fetch(first).then((response) => response.arrayBuffer());
    const gone = Promise.all([replicas[0]?.gone(), expect(lost).rejects.toThrow()]);
    while ((await count('cloneStarted')) === 0) await Promise.resolve();
    const answers = await Promise.all(others.map((url) => fetch(url)));
    await gone;
    for (const answer of answers) {
      expect(answer.status).toBe(200);
      await answer.arrayBuffer();
    }
    expect([await count('cloneStarted'), await count('generationFinished')]).toEqual([2, 1]);
  });
});

describe('when Redis stops', () => {
  test.each([
    ['fails what is not stored', undefined, 503],
    ['has each process go on by itself, if it may', new InProcessLocks(), 200],
  ])('it %s, and what is stored is served', async (_, fallback, status) => {
    const repository = await freshRepository({ directory, defer });
    const redis = await startRedis();
    const locks = new RedisLocks({ url: redis.url, fallback });
    const upstreamUrl = repository.upstream.url;
    const app = await startHostApp({ dataDir: await directory(), upstreamUrl, locks });
    defer(() => app.close());
    const get = async (query = '') => {
      const response = await fetch(`${app.snapshotUrl(repository.path)}${query}`);
      await response.arrayBuffer();
      return response.status;
    };
    expect(await get()).toBe(200);
    await app.router.service.refresh(repository.id);
    await redis.stop();
    const told: string[] = [];
    app.router.service.events.on('generationFailed', ({ error }) => told.push(error.code));
    expect(await get()).toBe(200);
    expect(await get('?depth=1')).toBe(status);
    expect(told).toEqual(status === 200 ? [] : ['LOCK_FAILED']);
    await redis.restart();
    expect(await get('?depth=2')).toBe(200);
  });
});

test('when S3 stops, what is near is served, and what is not is generated', async () => {
  const server = await startS3Server({ directory, defer });
  const repository = await freshRepository({ directory, defer });
  const near = new FileSystemStore({ directory: await directory() });
  const far = new S3Store({
    bucket: await server.makeBucket(),
    config: { ...server.config, maxAttempts: 1 },
  });
  const service = repository.start({ store: new TieredStore({ near, far }) });
  const whole = await read(service, repository.id);
  await service.refresh(repository.id);
  await server.stop();
  const degraded = next(service, 'storeDegraded');
  const served = await read(service, repository.id);
  expect([served.source, served.etag]).toEqual(['store', whole.etag]);
  expect((await read(service, { ...repository.id, depth: 1 })).source).toBe('generation');
  expect(await degraded).toMatchObject([{ tier: 'far' }]);
});

test('what was pushed is fetched by one of them, and served by all', async () => {
  const repository = await freshRepository({ directory, defer });
  const store = new MemoryStore({ maxBytes: 1e9 });
  const locks = new InProcessLocks();
  const start = async () => repository.start({ store, locks, dataDir: await directory() });
  const replicas = [await start(), await start(), await start()];
  for (const replica of replicas) {
    await read(replica, repository.id);
    await replica.refresh(repository.id);
    await replica.ensureRefs(repository.id, { refs: new Map(), commits: [] });
  }
  const commit = await push(repository.bare);
  fakeDate(defer, 10 * 60_000);
  const asked = repository.upstream.requests.length;
  const renewed = Promise.any(replicas.map((replica) => next(replica, 'generationFinished')));
  await Promise.all(replicas.map((replica) => read(replica, repository.id)));
  await renewed;
  for (const replica of replicas) {
    let served = await read(replica, repository.id);
    while (served.commit !== commit) served = await read(replica, repository.id);
    expect(served.source).toBe('store');
  }
  await Promise.all(replicas.map((replica) => replica.close({ running: 'wait' })));
  expect(repository.upstream.requests.slice(asked).map(({ service }) => service)).toEqual([
    'info-refs',
    'upload-pack',
  ]);
});

test('a push that is announced while the one before is fetched is served', async () => {
  const repository = await freshRepository({ directory, defer });
  const [store, locks] = [new MemoryStore({ maxBytes: 1e9 }), new InProcessLocks()];
  const freshness = { maxAge: 60 * 60_000, checkInterval: 0 };
  const start = async () =>
    repository.start({ store, locks, freshness, dataDir: await directory() });
  const replicas = [await start(), await start()];
  for (const replica of replicas) await read(replica, repository.id);
  await replicas[0]?.refresh(repository.id);
  const url = `${repository.upstream.url}/${repository.path}`;
  await push(repository.bare);
  const gate = repository.upstream.gate(repository.path, 20);
  await replicas[0]?.pushed(url);
  await gate.reached;
  const commit = await push(repository.bare);
  for (const replica of replicas) await replica.pushed(url);
  gate.release();
  for (const replica of replicas) {
    let served = await read(replica, repository.id);
    while (served.commit !== commit) {
      await setImmediate(); // a store in memory answers before anything else has its turn
      served = await read(replica, repository.id);
    }
  }
});

/** Tells when the upstream was asked, of all questions that were written down. */
class NotedChecks extends MemoryStore {
  readonly dates: number[] = [];
  readonly events = new EventEmitter();

  override async create(...[key, metadata, ...rest]: Parameters<MemoryStore['create']>) {
    if (key.startsWith('check/')) {
      this.dates.push(Number(metadata.askedAt));
      this.events.emit('noted');
    }
    return await super.create(key, metadata, ...rest);
  }
}

test('in each refreshInterval one of them asks the upstream, for all', async () => {
  const repository = await freshRepository({ directory, defer });
  const store = new NotedChecks({ maxBytes: 1e9 });
  const locks = new InProcessLocks();
  const refreshInterval = 100;
  const freshness = { maxAge: 60 * 60_000, checkInterval: 0, refreshInterval };
  const asked = () => repository.upstream.infoRefs(repository.path);
  for (let i = 0; i < 3; i++) {
    const replica = repository.start({ store, locks, freshness, dataDir: await directory() });
    await read(replica, repository.id);
  }
  // The clone asked as well.
  while (store.dates.length < 8) await once(store.events, 'noted');
  expect(asked()).toBeLessThanOrEqual(1 + store.dates.length + 1);
  store.dates.reduce((earlier, later) => {
    expect(later - earlier).toBeGreaterThanOrEqual(0.8 * refreshInterval);
    return later;
  });
});

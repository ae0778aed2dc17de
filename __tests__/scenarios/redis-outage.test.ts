/**
 * @needs redis
 * @one-node-version
 */

import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import { artifactKey } from '../../lib/artifact/key.js';
import { MemoryLocks, type SnapshotService } from '../../lib/index.js';
import type { Lock, LockRegistry } from '../../lib/locks/index.js';
import { withFallback } from '../../lib/locks/index.js';
import { RedisLocks, type RedisLocksOptions } from '../../lib/locks/redis.js';
import { S3Store } from '../../lib/stores/s3/index.js';
import { door } from '../support/door.js';
import { FakeS3 } from '../support/fake-s3.js';
import {
  counter,
  type FreshRepository,
  freshRepository,
  read,
} from '../support/fresh-repository.js';
import { seededBytes } from '../support/random.js';
import { RedisServer } from '../support/redis-server.js';
import { push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';

/*
 * Replicas that share a bucket, and locks in a Redis that is away for longer than leases last.
 */

const shared = cleanup(afterAll);
const { directory, defer } = cleanup(afterEach);
/** Milliseconds: what is lost is awaited by its event. */
const LEASE_TIME = 300;

let redis: RedisServer;
let repository: FreshRepository;
let s3: FakeS3;
let key: string;

beforeAll(async () => {
  redis = await RedisServer.start();
  shared.defer(() => redis.close());
});

beforeEach(async () => {
  repository = await freshRepository({ directory, defer });
  s3 = await FakeS3.start(defer);
  key = artifactKey(repository.snapshot);
});

/** Holds the first upload of a snapshot, and with it the lease, until it is released. */
function holdUpload(): { readonly reached: Promise<void>; release(): void } {
  const [reached, reach] = door();
  const [released, release] = door();
  let isHeld = false;
  s3.before = async ({ operation, name }) => {
    if (isHeld || operation !== 'PutObject' || name !== `${key}.object`) return false;
    isHeld = true;
    reach();
    await released;
    return false;
  };
  return { reached, release };
}

interface Replica {
  readonly service: SnapshotService;
  /** How many events of failures there were. */
  failures(): number;
  /** Resolves when the lease of the default snapshot is lost. */
  lost(): Promise<unknown>;
}

interface StartOptions extends Partial<RedisLocksOptions> {
  readonly fallback?: boolean;
}

async function start({ fallback = true, ...options }: StartOptions = {}): Promise<Replica> {
  const redisLocks = new RedisLocks({
    url: redis.url,
    leaseTime: LEASE_TIME,
    responseTimeout: LEASE_TIME,
    ...options,
  });
  const locks = fallback ? withFallback(redisLocks, new MemoryLocks()) : redisLocks;
  defer(() => redisLocks.close());
  const held: Lock[] = [];
  const watched: LockRegistry = {
    acquire: async (wanted, about) => {
      const lock = await locks.acquire(wanted, about);
      if (wanted === key) held.push(lock);
      return lock;
    },
  };
  const store = new S3Store({ bucket: 'bucket', config: s3.config });
  const service = repository.start({ store, locks: watched, dataDir: await directory() });
  const counters = (['build failed', 'store failed'] as const).map((name) =>
    counter(service, name),
  );
  return {
    service,
    failures: () => counters.reduce((sum, count) => sum + count(), 0),
    async lost() {
      const signal = held.at(-1)?.signal;
      if (signal?.aborted === false) await once(signal, 'abort');
    },
  };
}

const OUTAGES = {
  stops: { begin: () => redis.stop(), end: () => redis.restart() },
  hangs: { begin: () => redis.freeze(), end: () => redis.thaw() },
};

describe.each(['stops', 'hangs'] as const)('While Redis %s for longer than a lease', (how) => {
  const { begin, end } = OUTAGES[how];
  let isAway = false;
  const leave = async () => {
    await begin();
    isAway = true;
  };
  const comeBack = async () => {
    if (isAway) await end();
    isAway = false;
  };
  afterEach(comeBack);

  test('a stream that has begun goes on to its end, and its snapshot is stored', async () => {
    // More than is sent at first.
    await push(repository.bare, { files: { 'noise.bin': seededBytes('noise', 3 << 20) } });
    const upload = holdUpload();
    const replica = await start();
    const { body, source } = await replica.service.get(repository.snapshot);
    expect(source).toBe('build');
    await leave();
    await replica.lost();
    upload.release();
    const bytes = await buffer(body);
    await comeBack();
    await replica.service.statStored(repository.snapshot); // when it is stored
    const stored = await read(replica.service, repository.snapshot);
    expect([stored.source, stored.bytes.equals(bytes)]).toEqual(['store', true]);
    expect(replica.failures()).toBe(0);
  });

  test('other replicas do the same work, all clients get it, and the first complete snapshot is stored', async () => {
    const [one, two, three] = [await start(), await start(), await start()];
    const gate = repository.upstream.gate(repository.path);
    const first = read(one.service, repository.snapshot);
    await gate.reached;
    const second = read(two.service, repository.snapshot); // waits for the lock
    await leave();
    await one.lost();
    const third = read(three.service, repository.snapshot); // comes meanwhile
    gate.release();
    const served = await Promise.all([first, second, third]);
    await comeBack();
    expect(new Set(served.map(({ etag }) => etag)).size).toBe(1);
    for (const { bytes } of served) expect(bytes.equals(served[0].bytes)).toBe(true);
    for (const { service, failures } of [one, two, three]) {
      expect((await read(service, repository.snapshot)).source).toBe('store');
      expect(failures()).toBe(0);
    }
    await Promise.all([one, two, three].map(({ service }) => service.close({ drain: true })));
    expect([...s3.objects.keys()].filter((name) => name === `${key}.object`)).toHaveLength(1);
    expect(s3.uploads.size).toBe(0);
  });

  test('a late replica does not replace a snapshot that others stored meanwhile', async () => {
    const [slow, fast] = [await start(), await start()];
    const upload = holdUpload();
    const old = read(slow.service, repository.snapshot);
    await upload.reached;
    await leave();
    await slow.lost();
    const commit = await push(repository.bare);
    expect((await fast.service.refresh(repository.id)).commit).toBe(commit);
    await comeBack();
    upload.release();
    expect((await old).commit).not.toBe(commit);
    await slow.service.close({ drain: true });
    expect((await fast.service.statStored(repository.snapshot))?.commit).toBe(commit);
    expect([slow.failures(), fast.failures()]).toEqual([0, 0]);
  });

  test('without a fallback, stored snapshots are served, and all other requests get 503 until Redis is back', async () => {
    const replica = await start({ fallback: false });
    const { etag } = await read(replica.service, repository.snapshot);
    await leave();
    expect(await read(replica.service, repository.snapshot)).toMatchObject({
      source: 'store',
      etag,
    });
    const variant = { ...repository.snapshot, depth: 1 };
    await expect(read(replica.service, variant)).rejects.toMatchObject({
      code: 'LOCK_UNAVAILABLE',
    });
    await comeBack();
    await redisAnswers(replica.service);
    expect((await read(replica.service, variant)).source).toBe('build');
  });
});

/** Resolves when the service has a connection to Redis again: at once, or a little later. */
async function redisAnswers(service: SnapshotService): Promise<void> {
  for (;;) {
    const outcome = await read(service, { ...repository.snapshot, depth: 2 }).catch(
      (error) => error,
    );
    if (outcome.code !== 'LOCK_UNAVAILABLE') return;
  }
}

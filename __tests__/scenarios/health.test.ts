import fs, { rm, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import {
  createSnapshotService,
  MemoryLocks,
  MemoryStore,
  SnapshotError,
  type SnapshotOptions,
  type SnapshotService,
  TieredStore,
} from '../../lib/index.js';
import { withFallback } from '../../lib/locks/index.js';
import { FaultyTier } from '../stores/tiered/faulty-tier.js';
import { holdDeadlines } from '../support/deadlines.js';
import { door } from '../support/door.js';
import { freshRepository, read } from '../support/fresh-repository.js';
import { HOST } from '../support/host-app.js';
import { stopClock } from '../support/stopped-clock.js';
import { cleanup } from '../support/temporary-directory.js';

/*
 * The health of a service. `__tests__/http/health-router.test.ts` tests the answers to probes.
 */

const { directory, defer } = cleanup(afterEach);
/** Milliseconds for which an answer holds, and after which a question counts as failed. */
const MAX_AGE = 3000;
const DEADLINE = 10_000;

/** A service that needs no repository. */
async function start(options: Partial<SnapshotOptions> = {}): Promise<SnapshotService> {
  const dataDir = await directory();
  const service = createSnapshotService({ dataDir, hosts: [HOST], logger: false, ...options });
  defer(() => service.close());
  return service;
}

const unavailable = async () => {
  throw new SnapshotError('LOCK_UNAVAILABLE', 'secret');
};

test('A service that works is live and ready, and passes all checks', async () => {
  const dataDir = await directory();
  const service = await start({ dataDir });
  await service.ready();
  expect((await service.health({ timeout: 0 })).ready).toBe(true);
  const health = await service.health();
  expect(health).toMatchObject({ status: 'pass', live: true, ready: true });
  expect(Object.values(health.checks).flat()).toHaveLength(5);
  expect(health.checks['disk:free']).toEqual([
    {
      status: 'pass',
      componentType: 'system',
      observedValue: expect.any(Number),
      observedUnit: 'bytes',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    },
  ]);
  expect(JSON.parse(JSON.stringify(health))).toEqual(health);
  expect(JSON.stringify(health)).not.toContain(dataDir);
});

test('A service whose store fails is live, and not ready until the store works again', async () => {
  const store = new FaultyTier();
  const service = await start({ store });
  await service.ready();
  store.state = 'failing';
  const clock = stopClock(defer);
  const health = await service.health();
  expect(health).toMatchObject({ status: 'fail', live: true, ready: false });
  expect(health.checks['store:responseTime']).toMatchObject([
    { status: 'fail', output: 'The store failed.' },
  ]);
  store.state = 'up';
  expect((await service.health()).ready).toBe(false);
  clock.tick(MAX_AGE);
  expect((await service.health()).ready).toBe(true);
});

test('A store that hangs delays no report, is asked once, and counts as failed after a time', async () => {
  const store = new MemoryStore({ maxBytes: 1e6 });
  const service = await start({ store });
  await service.ready();
  const [ended, end] = door();
  defer(end);
  let calls = 0;
  store.stat = async () => {
    calls++;
    await ended;
    return undefined;
  };
  const passDeadline = holdDeadlines(defer, DEADLINE);
  const clock = stopClock(defer);
  const before = await service.health({ timeout: 0 });
  expect(before.checks['store:responseTime']).toMatchObject([{ status: 'warn' }]);
  passDeadline();
  for (const _ of [1, 2]) {
    await setImmediate(); // the deadline is noticed
    clock.tick(MAX_AGE);
    const { ready, checks } = await service.health({ timeout: 0 });
    expect(ready).toBe(false);
    expect(checks['store:responseTime']).toMatchObject([
      { status: 'fail', output: expect.stringContaining('has not answered') },
    ]);
  }
  expect(calls).toBe(1);
});

test('A service whose start failed is live, not ready, and starts again because it is asked', async () => {
  const dataDir = join(await directory(), 'data');
  await writeFile(dataDir, 'in the way');
  // The default locks warn, too.
  const warnings = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
  defer(() => warnings.mockRestore());
  const clock = stopClock(defer);
  const service = await start({ dataDir });
  await expect(service.ready()).rejects.toMatchObject({ code: 'INTERNAL' });
  const failed = await service.health();
  expect(failed).toMatchObject({ live: true, ready: false });
  expect(failed.checks['service:state']).toMatchObject([{ status: 'fail', code: 'INTERNAL' }]);
  expect(JSON.stringify(failed)).not.toContain(dataDir);
  await rm(dataDir);
  clock.tick(MAX_AGE);
  expect((await service.health()).checks['service:state']).toMatchObject([{ status: 'pass' }]);
});

test('A service that drains is live and not ready; a closed one is neither', async () => {
  const repository = await freshRepository({ directory, defer });
  const service = repository.start();
  const gate = repository.upstream.gate(repository.path);
  const reading = read(service, repository.snapshot);
  await gate.reached;
  const closed = service.close({ drain: true });
  const draining = await service.health();
  expect(draining).toMatchObject({ live: true, ready: false });
  expect(draining.checks['service:state']).toMatchObject([{ output: 'The service is closing.' }]);
  gate.release();
  await Promise.all([reading, closed]);
  expect(await service.health()).toMatchObject({ status: 'fail', live: false, ready: false });
});

test('A service is not live when its worker threads do not start any more', async () => {
  const service = await start({ freshness: { negativeCacheTtl: 0 } });
  await service.ready();
  const { NODE_OPTIONS = '' } = process.env;
  defer(() => {
    process.env.NODE_OPTIONS = NODE_OPTIONS;
  });
  // The only option that threads inherit.
  process.env.NODE_OPTIONS = `--require ${join(await directory(), '.pnp.cjs')}`;
  const repository = { host: HOST, path: 'org/repo' };
  const statuses: string[] = [];
  for (const _ of [1, 2, 3]) {
    const failed = service.get({ kind: 'snapshot', repository });
    await expect(failed).rejects.toMatchObject({ code: 'INTERNAL' });
    const { live, checks } = await service.health();
    statuses.push(`${checks['threads:failedStarts'][0]?.status} ${live}`);
  }
  expect(statuses[0]).toBe('warn true');
  expect(statuses.at(-1)).toBe('fail false');
});

test('A disk that is nearly full is a warning', async () => {
  const { statfs } = fs;
  const setStatfs = (other: typeof statfs) => {
    fs.statfs = other;
    syncBuiltinESMExports();
  };
  defer(() => setStatfs(statfs));
  const full = async (path: string) => Object.assign(await statfs(path), { bavail: 1, bsize: 1 });
  setStatfs(full as typeof statfs);
  const service = await start();
  await service.ready();
  const health = await service.health();
  expect(health).toMatchObject({ status: 'warn', live: true, ready: true });
  expect(health.checks['disk:free']).toMatchObject([
    { status: 'warn', observedValue: 1, output: 'The disk is nearly full.' },
  ]);
});

test('A host that fails is a warning until it answers, and no report asks it', async () => {
  const repository = await freshRepository({ directory, defer });
  const service = repository.start({ freshness: { negativeCacheTtl: 0 } });
  const heal = repository.upstream.fault(repository.path, { kind: 'status', status: 500 });
  await expect(read(service, repository.snapshot)).rejects.toMatchObject({});
  const { length } = repository.upstream.requests;
  const health = await service.health();
  expect(health).toMatchObject({ status: 'warn', live: true, ready: true });
  expect(health.checks['upstream:outage']).toEqual([
    {
      status: 'warn',
      componentType: 'component',
      componentId: HOST,
      observedValue: expect.any(Number),
      observedUnit: 's',
      time: expect.any(String),
      output: 'The host has failed at each attempt.',
      code: 'UPSTREAM_UNREACHABLE',
    },
  ]);
  expect(JSON.stringify(health)).not.toContain(repository.path);
  expect(repository.upstream.requests).toHaveLength(length);
  heal();
  await read(service, repository.snapshot);
  expect((await service.health()).checks['upstream:outage']).toEqual([]);
});

test('A host that refuses a repository does not count as failing', async () => {
  const repository = await freshRepository({ directory, defer });
  const service = repository.start();
  const missing = { host: HOST, path: 'org/none' };
  const refused = service.get({ kind: 'snapshot', repository: missing });
  await expect(refused).rejects.toMatchObject({ code: 'UPSTREAM_NOT_FOUND' });
  expect((await service.health()).checks['upstream:outage']).toEqual([]);
});

test('Locks that are away make a service unready; with a fallback they are a warning', async () => {
  const primary = { acquire: unavailable };
  const without = await start({ locks: primary });
  await without.ready();
  expect(await without.health()).toMatchObject({
    ready: false,
    checks: { 'locks:responseTime': [{ status: 'fail', code: 'LOCK_UNAVAILABLE' }] },
  });
  const locks = withFallback(primary, new MemoryLocks(), { onDegraded: () => {} });
  const withOne = await start({ locks });
  await withOne.ready();
  expect(await withOne.health()).toMatchObject({
    status: 'warn',
    ready: true,
    checks: { 'locks:responseTime': [{ status: 'warn', code: 'LOCK_UNAVAILABLE' }] },
  });
});

test('A shared tier that fails is a warning until it answers again', async () => {
  const shared = new FaultyTier();
  const local = new MemoryStore({ maxBytes: 1e6 });
  const store = new TieredStore({ local, shared, retryInterval: 0, onDegraded: () => {} });
  const service = await start({ store });
  await service.ready();
  shared.state = 'failing';
  const clock = stopClock(defer);
  expect(await service.health()).toMatchObject({
    status: 'warn',
    ready: true,
    checks: { 'store:responseTime': [{ status: 'warn', code: 'STORE_FAILED' }] },
  });
  shared.state = 'up';
  clock.tick(MAX_AGE);
  expect(await service.health()).toMatchObject({ status: 'pass' });
});

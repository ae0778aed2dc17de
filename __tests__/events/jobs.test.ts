import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type JobEndedEvent,
  type JobStartedEvent,
  MemoryStore,
  SnapshotError,
  type SnapshotService,
} from '../../lib/index.js';
import { codeBlocks, readPage } from '../docs/markdown.js';
import { FaultyTier } from '../stores/tiered/faulty-tier.js';
import { damagePack } from '../support/damage-pack.js';
import {
  type FreshRepository,
  freshRepository,
  next,
  read,
  readAtOnce,
} from '../support/fresh-repository.js';
import { push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);

let repository: FreshRepository;

beforeEach(async () => {
  repository = await freshRepository({ directory, defer });
});

interface Jobs {
  readonly started: JobStartedEvent[];
  readonly ended: JobEndedEvent[];
}

function jobsOf({ events }: SnapshotService): Jobs {
  const jobs: Jobs = { started: [], ended: [] };
  events.on('jobStarted', (job) => jobs.started.push(job));
  events.on('jobEnded', (job) => jobs.ended.push(job));
  return jobs;
}

/** Asserts that each start has one end. @returns the jobs by their ends: `clone`, `build INTERNAL`. */
function paired({ started, ended }: Jobs): string[] {
  const ids = started.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ended.map(({ id }) => id).sort()).toEqual([...ids].sort());
  for (const end of ended) {
    const { durationMs, error, ...rest } = end;
    const start = started.find(({ id }) => id === end.id);
    expect(rest).toMatchObject({ ...start });
    expect(durationMs).toBeGreaterThanOrEqual(0);
    expect(end.queuedMs).toBeGreaterThanOrEqual(0);
    expect(end.artifact !== undefined).toBe(end.kind === 'build' || end.kind === 'store');
    if (error !== undefined) expect(error.repository ?? end.repository).toEqual(end.repository);
  }
  return ended.map(({ kind, error }) => (error === undefined ? kind : `${kind} ${error.code}`));
}

test('A cold request is a clone, a build and a store; a push is a fetch, a build and a store', async () => {
  const service = repository.start();
  const jobs = jobsOf(service);
  await read(service, repository.snapshot);
  await push(repository.bare);
  await service.refresh(repository.id);
  await service.close({ drain: true });
  expect(paired(jobs)).toEqual(['clone', 'build', 'store', 'fetch', 'build', 'store']);
  const [clone, build, store, fetch] = jobs.ended;
  expect(clone).toMatchObject({ objects: expect.any(Number), seededBytes: 0 });
  expect(build).toMatchObject({ outcome: 'written', artifact: repository.snapshot });
  expect(store).toMatchObject({ outcome: 'stored', size: build?.kind === 'build' && build.size });
  expect(fetch).toMatchObject({ changed: true });
});

test('An upstream that fails ends a clone, and later a fetch, with its failure', async () => {
  const service = repository.start({ freshness: { negativeCacheTtl: 0 } });
  const jobs = jobsOf(service);
  repository.upstream.fault(repository.path, { kind: 'status', status: 404 });
  await expect(service.get(repository.snapshot)).rejects.toThrow();
  repository.upstream.heal(repository.path);
  await read(service, repository.snapshot);
  repository.upstream.fault(repository.path, { kind: 'status', status: 500 });
  await expect(service.refresh(repository.id)).rejects.toThrow();
  await service.close({ drain: true });
  expect(paired(jobs)).toEqual([
    'clone UPSTREAM_NOT_FOUND',
    'clone',
    'build',
    'store',
    'fetch UPSTREAM_UNREACHABLE',
  ]);
});

test('A service that is closed ends the clone that runs, and starts no other job', async () => {
  const service = repository.start();
  const jobs = jobsOf(service);
  const gate = repository.upstream.gate(repository.path);
  const answer = readAtOnce(service, repository.snapshot).catch(() => {});
  await gate.reached;
  await service.close();
  await answer;
  expect(paired(jobs)).toEqual(['clone CLOSED']);
});

test('A build is one job, also if its mirror turns out to be damaged', async () => {
  const service = repository.start();
  await read(service, repository.snapshot);
  await service.delete(repository.snapshot);
  const jobs = jobsOf(service);
  await damagePack(repository.dataDir);
  await read(service, repository.snapshot);
  await service.close({ drain: true });
  const ends = paired(jobs);
  expect(ends.filter((end) => end.startsWith('build'))).toEqual(['build']);
  expect(ends).toContain('clone');
});

test('A ref that does not exist ends a build with a failure', async () => {
  const service = repository.start();
  await read(service, repository.snapshot);
  const jobs = jobsOf(service);
  await expect(service.get({ ...repository.snapshot, ref: 'gone' })).rejects.toThrow();
  await service.close({ drain: true });
  expect(paired(jobs)).toContain('build REF_NOT_FOUND');
});

test('A store that is lost ends the job that stores, and not the build', async () => {
  const store = new FaultyTier();
  const service = repository.start({ store });
  const jobs = jobsOf(service);
  service.events.on('jobEnded', ({ kind }) => {
    if (kind === 'clone') store.state = 'failing';
  });
  await readAtOnce(service, repository.snapshot).catch(() => {});
  await service.close({ drain: true });
  expect(paired(jobs)).toEqual(['clone', 'build', 'store INTERNAL']);
});

test('A build whose clients have left before its turn has no events', async () => {
  const service = repository.start({ concurrency: { builds: 1 } });
  await read(service, repository.snapshot);
  const jobs = jobsOf(service);
  const leave = new AbortController();
  const waiting = service.get({ ...repository.snapshot, depth: 1 }, { signal: leave.signal });
  leave.abort(new Error('gone'));
  await expect(waiting).rejects.toThrow('gone');
  await service.close({ drain: true });
  expect(paired(jobs)).toEqual([]);
});

test('Locks that fail end a build that has not begun', async () => {
  const unavailable = new SnapshotError('STORE_FAILED', 'no locks');
  const locks = { acquire: async () => Promise.reject(unavailable) };
  const service = repository.start({ locks });
  const jobs = jobsOf(service);
  await expect(service.get(repository.snapshot)).rejects.toThrow('no locks');
  expect(paired(jobs)).toEqual(['build STORE_FAILED']);
});

test('A mirror that lost its packs ends each job once', async () => {
  const service = repository.start();
  await read(service, repository.snapshot);
  await service.delete(repository.snapshot);
  const jobs = jobsOf(service);
  await rm(join(await repository.mirror(), 'objects'), { recursive: true });
  await read(service, repository.snapshot);
  await service.close({ drain: true });
  expect(paired(jobs).filter((end) => end.startsWith('build'))).toEqual(['build']);
});

test('Many pushes end each repack once, and a close in between ends what runs', async () => {
  const service = repository.start({ freshness: { staleWhileRevalidate: 0, maxAge: 0 } });
  const jobs = jobsOf(service);
  const repacked = next(service, 'repack done');
  let isRepacked = false;
  void repacked.then(() => {
    isRepacked = true;
  });
  while (!isRepacked) {
    await push(repository.bare);
    await read(service, repository.snapshot);
  }
  await push(repository.bare);
  const last = readAtOnce(service, repository.snapshot).catch(() => {});
  await service.close();
  await last;
  expect(paired(jobs)).toContain('repack');
});

test('A listener that throws disturbs no job, and no other listener', async () => {
  const service = repository.start({ store: new MemoryStore({ maxBytes: 1e9 }) });
  const warned = new Promise((resolve) => process.once('warning', resolve));
  service.events.on('jobStarted', () => {
    throw new Error('a bad listener');
  });
  const jobs = jobsOf(service);
  await read(service, repository.snapshot);
  await service.close({ drain: true });
  expect(paired(jobs)).toEqual(['clone', 'build', 'store']);
  expect(await warned).toMatchObject({ message: expect.stringContaining('jobStarted') });
});

test('Listeners can be removed, and called once only; nobody else can emit', async () => {
  const service = repository.start();
  const [heard, once]: string[][] = [[], []];
  const listener = ({ kind }: JobStartedEvent) => heard?.push(kind);
  service.events
    .on('jobStarted', listener)
    .once('jobStarted', ({ kind }) => once?.push(kind))
    .once('jobEnded', () => service.events.off('jobStarted', listener));
  await read(service, repository.snapshot);
  expect([heard, once]).toEqual([['clone'], ['clone']]);
  expect(Object.keys(service.events).sort()).toEqual(['off', 'on', 'once']);
});

test('The metrics of the page of events count what happens', async () => {
  const blocks = codeBlocks(await readPage('docs/events.md'), ['js']);
  const code = blocks.find((block) => block.includes('collectMetrics')) ?? '';
  const { collectMetrics } = await import(`data:text/javascript,${encodeURIComponent(code)}`);
  const service = repository.start({ freshness: { maxAge: 3_600_000 } });
  const { counters, histograms, running } = collectMetrics(service.events);
  await read(service, repository.snapshot);
  await read(service, repository.snapshot);
  await expect(service.get({ ...repository.snapshot, ref: 'gone' })).rejects.toThrow();
  await service.delete(repository.snapshot);
  await service.close({ drain: true });
  expect(counters).toMatchObject({
    misses_absent: 2,
    hits_fresh: 1,
    clone_succeeded: 1,
    build_succeeded: 1,
    build_REF_NOT_FOUND: 1,
    store_succeeded: 1,
    artifacts_evicted_deleted: 1,
  });
  expect(running).toMatchObject({ clone: 0, build: 0, store: 0 });
  expect(histograms.build_duration_seconds).toMatchObject({ Infinity: 2 });
});

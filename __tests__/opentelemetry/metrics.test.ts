import { MemoryLocks, MemoryStore } from '../../lib/index.js';
import {
  instrumentLocks,
  instrumentRouter,
  instrumentService,
  instrumentStore,
} from '../../lib/opentelemetry/index.js';
import { METRICS } from '../../lib/opentelemetry/metrics.js';
import type { SnapshotStore } from '../../lib/stores/index.js';
import { type FreshRepository, freshRepository } from '../support/fresh-repository.js';
import type { HostApp } from '../support/host-app.js';
import { push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';
import { Telemetry } from './telemetry.js';

const { directory, defer } = cleanup(afterEach);

let repository: FreshRepository;
let telemetry: Telemetry;

beforeEach(async () => {
  repository = await freshRepository({ directory, defer });
  telemetry = new Telemetry({ defer });
});

interface Scene {
  readonly app: HostApp;
  readonly store: SnapshotStore;
  get(init?: RequestInit, query?: string): Promise<Response>;
}

async function start(options: Parameters<typeof instrumentRouter>[1] = {}): Promise<Scene> {
  const providers = { ...telemetry.options, ...options };
  const inner = new MemoryStore({ maxBytes: 1e9 });
  const store = instrumentStore(inner, { ...providers, countInterval: 1 });
  defer(async () => store.close?.());
  const locks = instrumentLocks(new MemoryLocks(), providers);
  const app = await repository.startApp({ store, locks, freshness: { maxAge: 3_600_000 } });
  defer(instrumentRouter(app.router, providers));
  defer(instrumentService(app.router.service, providers));
  const get = async (init: RequestInit = {}, query = '') => {
    const response = await fetch(app.snapshotUrl(repository.path) + query, init);
    await response.arrayBuffer();
    // A client that has read all of a build finds it in the store.
    await app.router.service.statStored(repository.snapshot);
    return response;
  };
  return { app, store, get };
}

/** Outcome → how many requests had it. */
async function outcomes(): Promise<Record<string, number>> {
  const values = await telemetry.metric('request.duration');
  return Object.fromEntries(
    values.map(({ attributes: { artifact, outcome, 'error.type': code }, value }) => [
      [artifact, outcome, code].filter((part) => part !== undefined).join(' '),
      value,
    ]),
  );
}

test('Requests are counted by artifact and outcome, with their bytes and times', async () => {
  const { get, app } = await start();
  await Promise.all([get(), get()]);
  const etag = (await get()).headers.get('etag') ?? '';
  await get({ headers: { range: 'bytes=0-9' } });
  await get({ headers: { 'if-none-match': etag } });
  await get({ method: 'HEAD' });
  await get({}, '?depth=1');
  await get({}, '?depth=x');
  await get({}, '?ref=no-such-branch');
  await fetch(`${app.url}/git/elsewhere.test/a/b/snapshot.tar.zst`);
  expect(await outcomes()).toEqual({
    'snapshot miss': 1,
    'snapshot joined': 1,
    'snapshot hit': 2,
    'snapshot notModified': 1,
    'snapshot answered': 1,
    'variant miss': 1,
    'refused INVALID_REQUEST': 1,
    'variant refused REF_NOT_FOUND': 1,
    'refused FORBIDDEN': 1,
  });
  const stored = await app.router.service.statStored(repository.snapshot);
  const bytes = await telemetry.metric('response.io');
  const hits = bytes.find(({ attributes }) => attributes.outcome === 'hit');
  expect(hits?.value).toBe((stored?.size ?? 0) + 10);
  const firstBytes = await telemetry.metric('request.time_to_first_byte');
  const byOutcome = firstBytes.map(({ attributes, value }) => [attributes.outcome, value]);
  expect(byOutcome.sort()).toEqual([
    ['hit', 2],
    ['joined', 1],
    ['miss', 1],
    ['miss', 1],
  ]);
  expect(await telemetry.metric('served.age')).toMatchObject([{ value: 2 }]);
});

test('Jobs, upstream requests, the store and the locks are measured, and the state is read', async () => {
  const { get, app } = await start();
  await get();
  await push(repository.bare);
  await app.router.service.refresh(repository.id);
  const jobs = await telemetry.metric('job.duration');
  expect(Object.fromEntries(jobs.map(({ attributes, value }) => [attributes.job, value]))).toEqual({
    clone: 1,
    fetch: 1,
    build: 2,
    store: 2,
  });
  const { host } = new URL(repository.upstream.url);
  const address = { 'server.address': '127.0.0.1', 'server.port': Number(host.split(':')[1]) };
  const answered = { ...address, 'http.response.status_code': 200 };
  expect(await telemetry.metric('upstream.request.duration')).toMatchObject([
    { attributes: { ...answered, 'http.request.method': 'GET' }, value: 2 },
    { attributes: { ...answered, 'http.request.method': 'POST' }, value: 2 },
  ]);
  const { mirrors } = app.router.service.stats();
  expect(await telemetry.metric('mirror.size')).toEqual([{ attributes: {}, value: mirrors.bytes }]);
  expect(await telemetry.metric('store.object.count')).toMatchObject([
    { attributes: { store: 'store' }, value: expect.any(Number) },
  ]);
  const operations = await telemetry.metric('store.operation.duration');
  const named = operations.map(({ attributes }) => attributes.operation);
  expect(named).toEqual(expect.arrayContaining(['stat', 'put']));
  const locks = await telemetry.metric('lock.operation.duration');
  const held = locks.map(({ attributes, value }) => [attributes.operation, value]);
  expect(Object.fromEntries(held)).toEqual({
    acquire: expect.any(Number),
    release: expect.any(Number),
  });
});

test('A failure has its code as the type of its error', async () => {
  const { get } = await start();
  repository.upstream.fault(repository.path, { kind: 'status', status: 500 });
  expect((await get()).status).toBe(503);
  expect(await outcomes()).toEqual({ 'snapshot failed UPSTREAM_UNREACHABLE': 1 });
  expect(await telemetry.metric('job.duration')).toMatchObject([
    { attributes: { job: 'clone', 'error.type': 'UPSTREAM_UNREACHABLE' }, value: 1 },
  ]);
  expect(await telemetry.metric('upstream.request.duration')).toMatchObject([
    { attributes: { 'http.response.status_code': 500, 'error.type': '500' }, value: 1 },
  ]);
});

test('Evictions and incidents are counted from 0', async () => {
  const { get, app } = await start();
  await get();
  await app.router.service.purge(repository.id);
  expect(await telemetry.metric('mirror.evictions')).toEqual([
    { attributes: { reason: 'budget' }, value: 0 },
    { attributes: { reason: 'removed' }, value: 1 },
  ]);
  const artifacts = await telemetry.metric('artifact.evictions');
  expect(artifacts).toContainEqual({ attributes: { reason: 'removed' }, value: 1 });
  expect(await telemetry.metric('incidents')).toContainEqual({
    attributes: { event: 'mirrorCorrupted' },
    value: 0,
  });
});

test('Metrics name no repository, except those that the app selects', async () => {
  const { get } = await start({ perRepository: ({ path }) => path === repository.path });
  await repository.add('org/other');
  await get();
  const other = await fetch((await repository.startApp()).snapshotUrl('org/other'));
  await other.arrayBuffer();
  const names = (await telemetry.metric('request.duration')).map(
    ({ attributes }) => attributes.repository,
  );
  expect(names).toEqual([`git.test/${repository.path}`]);
});

test('Every value has only the attributes that the list of metrics has', async () => {
  const { get, app } = await start({ perRepository: true });
  await get();
  await get();
  await get({}, '?depth=x');
  await app.router.service.purge(repository.id);
  const wrong: string[] = [];
  for (const [name, values] of await telemetry.metrics()) {
    const listed = Object.entries(METRICS).find(([known]) => known === name)?.[1].attributes ?? [];
    const allowed = listed.map((attribute) => attribute.replace(/^git_snapshot\./, ''));
    const used = new Set(values.flatMap(({ attributes }) => Object.keys(attributes)));
    for (const attribute of used) {
      if (!allowed.includes(attribute)) wrong.push(`${name} has ${attribute}`);
    }
  }
  expect(wrong).toEqual([]);
});

test('Nothing is measured after the app has ended it', async () => {
  const { meterProvider } = telemetry;
  const app = await repository.startApp();
  const ends = [
    instrumentRouter(app.router, { meterProvider }),
    instrumentService(app.router.service, { meterProvider }),
  ];
  for (const end of ends) end();
  await (await fetch(app.snapshotUrl(repository.path))).arrayBuffer();
  const used = [...(await telemetry.metrics()).values()].flat().filter(({ value }) => value > 0);
  expect(used).toEqual([]);
});

test('A wrong option is refused by its name', () => {
  const store = new MemoryStore({ maxBytes: 1 });
  // @ts-expect-error not a number
  expect(() => instrumentStore(store, { countInterval: 'often' })).toThrow(/countInterval/);
  // @ts-expect-error no provider
  expect(() => instrumentLocks(new MemoryLocks(), { meterProvider: {} })).toThrow(/meterProvider/);
});

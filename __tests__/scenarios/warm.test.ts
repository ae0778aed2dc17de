import { cp, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtifactId } from '../../lib/artifact/id.js';
import { defaultSnapshot } from '../../lib/artifact/id.js';
import {
  createSnapshotService,
  MemoryStore,
  type ServiceOptions,
  type SnapshotService,
  type WarmProgress,
} from '../../lib/index.js';
import { lastUsedPath } from '../../lib/mirror/disk/layout.js';
import { counter, next, read } from '../support/fresh-repository.js';
import { HOST } from '../support/host-app.js';
import { ownRepository } from '../support/own-repository.js';
import { buildSmall, push } from '../support/small-repositories.js';

const repository = ownRepository(buildSmall);
const { directory } = repository;
const DAY = 24 * 60 * 60_000;
const AT_ONCE = { freshness: { maxAge: 0, checkInterval: 0 } } as const;

/** Makes another repository at the upstream. */
async function add(name: string) {
  const path = `${repository.path}-${name}`;
  await cp(repository.bare, join(repository.root, `${path}.git`), { recursive: true });
  return { host: HOST, path };
}

async function sourceOf(service: SnapshotService, id: ArtifactId): Promise<string> {
  return (await read(service, id)).source;
}

test('A warm-up builds what is missing or stale, and one failure leaves the others alone', async () => {
  const other = await add('other');
  const failing = await add('failing');
  const { id, snapshot, upstream, bare } = repository;
  const service = await repository.startService(AT_ONCE);
  for (const each of [id, failing]) await read(service, defaultSnapshot(each));
  const commit = await push(bare);
  upstream.fault(failing.path, { kind: 'status', status: 500 });
  const missing = { host: HOST, path: 'org/none' };
  const foreign = { host: 'elsewhere.test', path: 'org/repo' };
  const shallow = { ...defaultSnapshot(other), depth: 1 };

  const progress: WarmProgress[] = [];
  const summary = await service.warm([foreign, missing, failing, id, other, other, shallow], {
    onProgress: (each) => progress.push(each),
  });
  expect(summary).toMatchObject({ total: 6, fresh: 0, built: 3 });
  const failures = summary.failures.map(({ artifact, error }) => [artifact.repository, error.code]);
  expect(failures).toHaveLength(3);
  expect(failures).toEqual(
    expect.arrayContaining([
      [foreign, 'FORBIDDEN'],
      [missing, 'UPSTREAM_NOT_FOUND'],
      [failing, 'UPSTREAM_UNREACHABLE'],
    ]),
  );
  expect(progress.map(({ done, total }) => [done, total])).toEqual(
    [1, 2, 3, 4, 5, 6].map((done) => [done, 6]),
  );
  const outcomes = progress.map(({ outcome }) => outcome).sort();
  expect(outcomes).toEqual(['built', 'built', 'built', 'failed', 'failed', 'failed']);
  expect(await service.statStored(snapshot)).toMatchObject({ commit });
  for (const each of [shallow, defaultSnapshot(failing)]) {
    expect(await sourceOf(service, each)).toBe('store');
  }
  const again = await service.warm([id, other, shallow]);
  expect(again).toEqual({ total: 3, fresh: 3, built: 0, failures: [] });
});

test('A client with a cold request does not wait for a warm-up, and joins its clone', async () => {
  const { upstream } = repository;
  const others = [await add('a'), await add('b'), await add('c')];
  const gates = others.map(({ path }) => upstream.gate(path));
  const service = await repository.startService({ concurrency: { clonesPerHost: 1, builds: 1 } });
  const warming = service.warm(others);
  await Promise.all(gates.slice(0, 2).map((gate) => gate.reached));
  expect(await sourceOf(service, repository.snapshot)).toBe('build');
  const [a = repository.id] = others;
  const joined = next(service, 'miss');
  const reading = read(service, defaultSnapshot(a));
  expect(await joined).toMatchObject({ coalesced: true });
  for (const gate of gates) gate.release();
  await reading;
  expect(await warming).toMatchObject({ built: 3, failures: [] });
  expect(upstream.uploadPacks(a.path)).toBe(1);
});

test.each([
  ['is aborted', 'the caller has left'],
  ['meets the end of its service', 'closed'],
])('A warm-up that %s begins nothing more', async (what, message) => {
  const { upstream } = repository;
  const others = [await add('a'), await add('b'), await add('c')];
  const gates = others.map(({ path }) => upstream.gate(path));
  const service = await repository.startService();
  const leaving = new AbortController();
  const warming = service.warm(others, { signal: leaving.signal });
  const refused = expect(warming).rejects.toThrow(message);
  await Promise.all(gates.slice(0, 2).map((gate) => gate.reached));
  if (what === 'is aborted') leaving.abort(new Error(message));
  else void service.close({ drain: true });
  await refused;
  for (const gate of gates) gate.release();
  await service.close({ drain: true });
  expect(others.map(({ path }) => upstream.uploadPacks(path))).toEqual([1, 1, 0]);
  await expect(service.warm(others)).rejects.toMatchObject({ code: 'CLOSED' });
});

test('Too many artifacts for one warm-up are refused', async () => {
  const wanted = Array.from({ length: 10_001 }, () => repository.id);
  const service = await repository.startService();
  await expect(service.warm(wanted)).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
});

describe('The option `warm`', () => {
  /** Starts a service at once, so that a test misses none of its events. */
  function start(options: Omit<ServiceOptions, 'hosts'>): SnapshotService {
    const baseUrl = repository.upstream.url;
    const hosts = { [HOST]: { baseUrl, allowPrivateAddresses: true } };
    const service = createSnapshotService({ hosts, logger: false, ...options });
    repository.defer(() => service.close());
    return service;
  }

  test('builds its repositories after the start, and logs failures in one line', async () => {
    const lines: unknown[][] = [];
    const log = (...line: unknown[]) => void lines.push(line);
    const logger = { warn: log, error: log };
    const warm = [`${HOST}/${repository.path}`, `https://${HOST}/org/none.git`];
    const service = start({ dataDir: await directory(), warm, logger });
    expect(await next(service, 'warmed')).toMatchObject({ total: 2, built: 1 });
    expect(await sourceOf(service, repository.snapshot)).toBe('store');
    const fields = { code: 'UPSTREAM_NOT_FOUND', repository: `${HOST}/org/none` };
    expect(lines.map(([, message]) => message)).toEqual([
      'repository not cloned',
      'some artifacts not warmed up',
    ]);
    expect(lines.at(-1)?.[0]).toMatchObject(fields);
  });

  test.each([
    ['no repository', ['org']],
    ['of a host that is not allowed', ['elsewhere.test/org/repo']],
    ['another text', 'all'],
  ])('is refused if it is %s', async (_what, warm) => {
    const dataDir = await directory();
    expect(() => start({ dataDir, warm: warm as string[] })).toThrow(
      expect.objectContaining({
        code: 'INVALID_OPTIONS',
        message: expect.stringContaining('warm'),
      }),
    );
  });

  test('brings back what clients used before a restart, with the pushes since then', async () => {
    const { snapshot, bare } = repository;
    const other = await add('other');
    const dataDir = await directory();
    const before = await repository.startService({ dataDir });
    for (const id of [defaultSnapshot(other), snapshot]) await read(before, id);
    await before.close({ drain: true });
    const commit = await push(bare);
    const store = () => new MemoryStore({ maxBytes: 1e6 });

    const after = start({ dataDir, warm: 'recent', store: store() });
    const clones = counter(after, 'clone started');
    expect(await next(after, 'warmed')).toEqual({ total: 2, fresh: 0, built: 2, failures: [] });
    expect(clones()).toBe(0);
    expect(await after.statStored(snapshot)).toMatchObject({ commit });
    await after.close({ drain: true });

    const longAgo = new Date(Date.now() - 2 * DAY);
    await utimes(lastUsedPath(repository.mirrorIn(dataDir)), longAgo, longAgo);
    const later = start({ dataDir, warm: 'recent', store: store() });
    expect(await next(later, 'warmed')).toMatchObject({ total: 1, built: 1 });
    expect(await later.statStored(snapshot)).toBeUndefined();
  });
});

import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtifactId } from '../../lib/artifact/id.js';
import { defaultSnapshot } from '../../lib/artifact/id.js';
import { MemoryStore, type SnapshotService, type WarmProgress } from '../../lib/index.js';
import { lastUsedPath } from '../../lib/mirror/disk/layout.js';
import { MirrorDirectory } from '../../lib/mirror/disk/mirror-directory.js';
import {
  counter,
  type FreshRepository,
  freshRepository,
  next,
  read,
} from '../support/fresh-repository.js';
import { HOST } from '../support/host-app.js';
import { push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);
const DAY = 24 * 60 * 60_000;

let repository: FreshRepository;

beforeEach(async () => {
  repository = await freshRepository({ directory, defer });
});

/** Makes another repository at the upstream. */
async function add(path: string) {
  await repository.add(path);
  return { host: HOST, path };
}

async function sourceOf(service: SnapshotService, id: ArtifactId): Promise<string> {
  return (await read(service, id)).source;
}

test('A warm-up builds what is missing or stale, and one failure leaves the others alone', async () => {
  const other = await add('org/other');
  const service = repository.start({ freshness: { maxAge: 0, checkInterval: 0 } });
  await read(service, repository.snapshot);
  const commit = await push(repository.bare);
  const missing = { host: HOST, path: 'org/none' };
  const foreign = { host: 'elsewhere.test', path: 'org/repo' };
  const shallow = { ...defaultSnapshot(other), depth: 1 };
  const progress: WarmProgress[] = [];
  const summary = await service.warm([foreign, missing, repository.id, other, other, shallow], {
    onProgress: (each) => progress.push(each),
  });
  expect(summary).toMatchObject({ total: 5, fresh: 0, built: 3 });
  expect(summary.failures.map(({ artifact, error }) => [artifact.repository, error.code])).toEqual([
    [foreign, 'FORBIDDEN'],
    [missing, 'UPSTREAM_NOT_FOUND'],
  ]);
  expect(progress.map(({ done, total }) => `${done}/${total}`)).toEqual([
    '1/5',
    '2/5',
    '3/5',
    '4/5',
    '5/5',
  ]);
  expect(progress.map(({ outcome }) => outcome).sort()).toEqual([
    'built',
    'built',
    'built',
    'failed',
    'failed',
  ]);
  expect(await service.statStored(repository.snapshot)).toMatchObject({ commit });
  expect(await sourceOf(service, shallow)).toBe('store');
  const again = await service.warm([repository.id, other, shallow]);
  expect(again).toEqual({ total: 3, fresh: 3, built: 0, failures: [] });
});

test('A stored snapshot whose upstream fails stays stored, and counts as failed', async () => {
  const service = repository.start({ freshness: { maxAge: 0, checkInterval: 0 } });
  await read(service, repository.snapshot);
  repository.upstream.fault(repository.path, { kind: 'status', status: 500 });
  const { failures } = await service.warm([repository.id]);
  expect(failures).toMatchObject([{ error: { code: 'UPSTREAM_UNREACHABLE' } }]);
  expect(await sourceOf(service, repository.snapshot)).toBe('store');
});

test('A client with a cold request does not wait for a warm-up, and joins its clone', async () => {
  const { upstream } = repository;
  const others = [await add('org/a'), await add('org/b'), await add('org/c')];
  const gates = others.map(({ path }) => upstream.gate(path));
  const service = repository.start({ concurrency: { clonesPerHost: 1, builds: 1 } });
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
  const others = [await add('org/a'), await add('org/b'), await add('org/c')];
  const gates = others.map(({ path }) => upstream.gate(path));
  const service = repository.start();
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
  const refused = repository.start().warm(wanted);
  await expect(refused).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
});

describe('The option `warm`', () => {
  test('builds its repositories after the start, and logs failures in one line', async () => {
    const lines: unknown[][] = [];
    const log = (...line: unknown[]) => void lines.push(line);
    const logger = { warn: log, error: log };
    const warm = [`${HOST}/${repository.path}`, `https://${HOST}/org/none.git`];
    const service = repository.start({ warm, logger });
    expect(await next(service, 'warmed')).toMatchObject({ total: 2, built: 1 });
    expect(await sourceOf(service, repository.snapshot)).toBe('store');
    const fields = { code: 'UPSTREAM_NOT_FOUND', repository: `${HOST}/org/none` };
    expect(lines.map(([, message]) => message)).toEqual([
      'repository not cloned',
      '1 of 2 artifacts not warmed up',
    ]);
    expect(lines.at(-1)?.[0]).toMatchObject(fields);
  });

  test.each([
    ['no repository', ['org']],
    ['of a host that is not allowed', ['elsewhere.test/org/repo']],
    ['another text', 'all'],
  ])('is refused if it is %s', (_what, warm) => {
    const start = () => repository.start({ warm: warm as string[] });
    expect(start).toThrow(
      expect.objectContaining({
        code: 'INVALID_OPTIONS',
        message: expect.stringContaining('warm'),
      }),
    );
  });

  test('brings back what clients used before a restart, with the pushes since then', async () => {
    const unused = await add('org/unused');
    const before = repository.start();
    await read(before, repository.snapshot);
    await read(before, defaultSnapshot(unused));
    await before.close({ drain: true });
    const commit = await push(repository.bare);
    const longAgo = new Date(Date.now() - 2 * DAY);
    const mirrorOfUnused = new MirrorDirectory(
      join(repository.dataDir, 'mirrors'),
      () => {},
    ).pathOf(unused);
    await utimes(lastUsedPath(mirrorOfUnused), longAgo, longAgo);

    const store = new MemoryStore({ maxBytes: 1e6 });
    const after = repository.start({ warm: 'recent', store });
    const clones = counter(after, 'clone started');
    expect(await next(after, 'warmed')).toEqual({ total: 1, fresh: 0, built: 1, failures: [] });
    expect(clones()).toBe(0);
    expect(await after.statStored(repository.snapshot)).toMatchObject({ commit });
    expect(await after.statStored(defaultSnapshot(unused))).toBeUndefined();
  });
});

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  counter,
  type FreshRepository,
  freshRepository,
  next,
  read,
} from '../support/fresh-repository.js';
import { git } from '../support/run.js';
import { buildSmall, push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);
const NEVER = 0x7fff_ffff;
const PLAIN = { maxAge: NEVER, checkInterval: 0 } as const;

let repository: FreshRepository;

beforeEach(async () => {
  repository = await freshRepository({ directory, defer });
});

const asked = () => repository.upstream.infoRefs(repository.path);
const url = () => `${repository.upstream.url}/${repository.path}`;

describe('refreshInterval', () => {
  const freshness = { ...PLAIN, refreshInterval: 20 } as const;

  test('keeps a repository warm that clients asked for', async () => {
    const service = repository.start({ freshness });
    await read(service, repository.id);
    const commit = await push(repository.bare);
    await next(service, 'generationFinished');
    repository.upstream.requests.length = 0;
    const warm = await read(service, repository.id);
    expect(warm).toMatchObject({ source: 'store', commit });
    for (let i = 0; i < 3; i++) await next(service, 'refreshed');
  });

  test('keeps it warm also when the service was started anew', async () => {
    const first = repository.start({ freshness: PLAIN });
    await read(first, repository.id);
    await first.close({ running: 'wait' });
    const commit = await push(repository.bare);
    const service = repository.start({ freshness });
    await next(service, 'generationFinished');
    expect((await read(service, repository.id)).commit).toBe(commit);
  });

  test('goes on after a failure', async () => {
    const service = repository.start({ freshness });
    await read(service, repository.id);
    repository.upstream.fault(repository.path, { kind: 'status', status: 500 });
    await next(service, 'refreshFailed');
    await next(service, 'refreshFailed');
    repository.upstream.heal(repository.path);
    await next(service, 'refreshed');
  });

  test('lets those drop out that nobody asked for in keepWarmFor', async () => {
    const service = repository.start({ freshness: { ...freshness, keepWarmFor: 1 } });
    await read(service, repository.id);
    const refreshes = counter(service, 'refreshed');
    const other = repository.start({ freshness, dataDir: await directory() });
    await read(other, repository.id);
    for (let i = 0; i < 5; i++) await next(other, 'refreshed');
    expect(refreshes()).toBe(0);
  });

  test('is over when the service is closed', async () => {
    const service = repository.start({ freshness });
    await read(service, repository.id);
    await next(service, 'refreshed');
    await service.close();
    const before = asked();
    const other = repository.start({ freshness: PLAIN });
    await other.refresh(repository.id);
    await other.refresh(repository.id);
    expect(asked()).toBe(before + 2);
  });
});

test.each([
  ['the default snapshot', {}],
  ['a commit with a depth', { depth: 1 }],
])('%s is generated anew when the options for it have changed', async (_what, selection) => {
  const isFixed = 'depth' in selection;
  const id = { ...repository.id, ...selection, ...(isFixed && { ref: await repository.head() }) };
  const first = repository.start({ freshness: PLAIN });
  const old = await read(first, id);
  await first.close({ running: 'wait' });
  const service = repository.start({ freshness: PLAIN, snapshot: { trustFileTimes: false } });
  const renewed = next(service, 'generationFinished');
  expect(await read(service, id)).toEqual({ ...old, source: 'store' });
  await renewed;
  const generations = counter(service, 'generationStarted');
  for (let i = 0; i < 3; i++) {
    const { source, commit, etag } = await read(service, id);
    expect({ source, commit }).toEqual({ source: 'store', commit: old.commit });
    expect(etag).not.toBe(old.etag);
  }
  await service.close({ running: 'wait' });
  expect(generations()).toBe(0);
});

test('a branch that was gone is renewed again as soon as it is back', async () => {
  const service = repository.start({ freshness: { maxAge: 0, checkInterval: 0 } });
  const id = { ...repository.id, ref: 'topic' };
  await push(repository.bare, { branch: 'topic' });
  await read(service, id);
  await git(repository.bare, 'branch', '-D', 'topic');
  const gone = next(service, 'evicted');
  await read(service, id);
  await gone;
  await expect(read(service, id)).rejects.toMatchObject({ code: 'REF_NOT_FOUND' });

  await push(repository.bare, { branch: 'topic', message: 'back' });
  await read(service, id);
  const commit = await push(repository.bare, { branch: 'topic', message: 'moved' });
  const renewed = next(service, 'generationFinished');
  await read(service, id);
  await renewed;
  expect((await read(service, id)).commit).toBe(commit);
});

test('renewals delay no request, of another repository or of the same', async () => {
  const names = ['a', 'b', 'c', 'd'].map((name) => `org/${name}`);
  for (const name of names) await buildSmall(join(repository.bare, `../../${name}.git`));
  const service = repository.start({
    freshness: { maxAge: 0, checkInterval: 0 },
    limits: { concurrentFetches: 1, concurrentClones: 1, concurrentGenerations: 1 },
  });
  const ids = names.map((path) => ({ ...repository.id, path }));
  for (const id of ids) await read(service, id);
  const gates = names.map((name) => repository.upstream.gateRefs(name));
  for (const id of ids) await read(service, id);
  await Promise.all(gates.slice(0, 2).map(({ reached }) => reached));
  // The background is busy by now.
  expect((await read(service, repository.id)).source).toBe('generation');
  expect((await read(service, repository.id)).source).toBe('store');
  for (const id of ids) expect((await read(service, id)).source).toBe('store');
});

describe('pushed', () => {
  test('refreshes a repository that is known', async () => {
    const service = repository.start({ freshness: PLAIN });
    await read(service, repository.id);
    const commit = await push(repository.bare);
    const renewed = next(service, 'generationFinished');
    expect(await service.pushed(url())).toBe(true);
    await renewed;
    expect((await read(service, repository.id)).commit).toBe(commit);
  });

  test('does nothing for others', async () => {
    const service = repository.start({ freshness: PLAIN });
    await service.started;
    const urls = [url(), 'https://elsewhere.test/org/repo', 'no url', '', `${url()}/../..`];
    for (const each of urls) expect(await service.pushed(each)).toBe(false);
    await service.close({ running: 'wait' });
    expect(await service.pushed(url())).toBe(false);
    expect(repository.upstream.requests).toEqual([]);
  });

  test('refreshes what is stored although nothing else is known of it', async () => {
    const first = repository.start({ freshness: PLAIN });
    await read(first, repository.id);
    await first.close({ running: 'wait' });
    await rm(join(repository.dataDir, 'mirrors'), { recursive: true });
    const commit = await push(repository.bare);
    const service = repository.start({ freshness: PLAIN });
    const renewed = next(service, 'generationFinished');
    expect(await service.pushed(url())).toBe(true);
    await renewed;
    expect((await read(service, repository.id)).commit).toBe(commit);
  });

  test('asks once for a burst, and not before checkInterval is over', async () => {
    const service = repository.start({ freshness: { maxAge: NEVER, checkInterval: 300 } });
    await read(service, repository.id);
    await service.refresh(repository.id);
    const before = asked();
    const refreshed = next(service, 'refreshed');
    const count = counter(service, 'refreshed');
    for (let i = 0; i < 100; i++) expect(await service.pushed(url())).toBe(true);
    await refreshed;
    await service.close({ running: 'wait' });
    expect([count(), asked()]).toEqual([1, before + 1]);
  });

  test('while a check runs has the upstream asked again', async () => {
    const service = repository.start({ freshness: PLAIN });
    await read(service, repository.id);
    const gate = repository.upstream.gateRefs(repository.path);
    await service.pushed(url());
    await gate.reached;
    const commit = await push(repository.bare);
    await service.pushed(url());
    const renewed = next(service, 'generationFinished');
    gate.release();
    await renewed;
    expect((await read(service, repository.id)).commit).toBe(commit);
  });

  test('while the first clone runs is not lost', async () => {
    const service = repository.start({ freshness: PLAIN });
    const gate = repository.upstream.gate(repository.path, 20);
    const first = read(service, repository.id);
    await gate.reached;
    const commit = await push(repository.bare);
    const refreshed = next(service, 'refreshed');
    expect(await service.pushed(url())).toBe(true);
    await refreshed;
    gate.release();
    await first;
    const stored = await service.refresh(repository.id);
    expect(stored?.commit).toBe(commit);
  });
});

describe('refresh', () => {
  test('makes what is not there', async () => {
    const service = repository.start({ freshness: PLAIN });
    expect((await service.refresh(repository.id))?.commit).toBe(await repository.head());
    expect(asked()).toBe(1);
  });

  test('brings what is there up to date, within maxAge, too', async () => {
    const service = repository.start({ freshness: PLAIN });
    await read(service, repository.id);
    const commit = await push(repository.bare);
    const [one, two] = await Promise.all([1, 2].map(() => service.refresh(repository.id)));
    expect([one?.commit, two?.commit]).toEqual([commit, commit]);
    expect(repository.upstream.uploadPacks(repository.path)).toBe(2);
  });

  test('fails when the upstream is down, and for hosts that are not allowed', async () => {
    const service = repository.start({ freshness: PLAIN });
    await read(service, repository.id);
    repository.upstream.fault(repository.path, { kind: 'status', status: 500 });
    await expect(service.refresh(repository.id)).rejects.toMatchObject({
      code: 'UPSTREAM_UNREACHABLE',
    });
    const elsewhere = { host: 'elsewhere.test', path: 'org/repo' };
    await expect(service.refresh(elsewhere)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });
});

test('repositories tells what is there', async () => {
  const service = repository.start({ freshness: PLAIN });
  const before = Date.now();
  const { commit, etag } = await read(service, repository.id);
  await read(service, repository.id);
  const [status, ...others] = await service.repositories();
  expect(others).toEqual([]);
  expect(status).toMatchObject({
    repository: repository.id,
    mirror: { state: 'ready', packs: 1, commit },
    stored: { etag, commit },
    isCurrent: true,
    error: undefined,
  });
  expect(status?.mirror?.bytes).toBeGreaterThan(0);
  expect(status?.askedAt).toBeGreaterThanOrEqual(before);
  expect(status?.checkedAt).toBeGreaterThanOrEqual(before);
});

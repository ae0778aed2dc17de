import { buffer } from 'node:stream/consumers';
import { defaultSnapshot } from '../../lib/artifact/id.js';
import { MemoryStore, parseRepository } from '../../lib/index.js';
import type { SnapshotStore } from '../../lib/stores/index.js';
import { type FreshRepository, freshRepository, read } from '../support/fresh-repository.js';
import { HOST, leftovers } from '../support/host-app.js';
import { EVENT_NAMES, listen } from '../support/service-events.js';
import { push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);
const HOUR = 3_600_000;

let repository: FreshRepository;

beforeEach(async () => {
  repository = await freshRepository({ directory, defer });
});

describe('A snapshot', () => {
  test('is served from the store unchanged, without a check of the upstream', async () => {
    const store = new MemoryStore({ maxBytes: 1e6 });
    const freshness = { maxAge: HOUR };
    const first = repository.start({ store, freshness });
    const built = await read(first, repository.snapshot);
    expect(built.source).toBe('build');
    await first.close({ drain: true });
    const asked = repository.upstream.requests.length;

    const second = repository.start({ store, freshness, dataDir: await directory() });
    expect(await read(second, repository.snapshot)).toEqual({ ...built, source: 'store' });
    expect(repository.upstream.requests.length).toBe(asked);
  });

  test('fails when there is nothing to clone', async () => {
    repository.upstream.fault(repository.path, { kind: 'status', status: 404 });
    const service = repository.start();
    await expect(service.get(repository.snapshot)).rejects.toMatchObject({
      code: 'UPSTREAM_NOT_FOUND',
    });
    expect(await service.statStored(repository.snapshot)).toBeUndefined();
  });

  test('is built from an existing mirror, also from one of an earlier process', async () => {
    const store = new MemoryStore({ maxBytes: 1e6 });
    const first = repository.start({ store });
    const built = await read(first, repository.snapshot);
    await first.delete(repository.snapshot);
    expect(await read(first, repository.snapshot)).toEqual(built);
    await first.delete(repository.snapshot);
    await first.close();

    const second = repository.start({ store });
    expect(await read(second, repository.snapshot)).toEqual(built);
    expect(repository.upstream.uploadPacks(repository.path)).toBe(1);
  });

  test('is refused when its host is not allowed', async () => {
    const service = repository.start();
    const elsewhere = parseRepository('elsewhere.test/org/repo');
    for (const call of [
      service.get(defaultSnapshot(elsewhere)),
      service.statStored(defaultSnapshot(elsewhere)),
      service.delete(defaultSnapshot(elsewhere)),
    ]) {
      await expect(call).rejects.toMatchObject({ code: 'FORBIDDEN' });
    }
  });

  test('is built to its end even if its client leaves', async () => {
    const service = repository.start();
    const gate = repository.upstream.gate(repository.path);
    const controller = new AbortController();
    const waiting = service.get(repository.snapshot, { signal: controller.signal });
    await gate.reached;
    controller.abort(new Error('no longer wanted'));
    await expect(waiting).rejects.toThrow('no longer wanted');
    gate.release();
    expect((await read(service, repository.snapshot)).bytes.length).toBeGreaterThan(0);
    expect(repository.upstream.uploadPacks(repository.path)).toBe(1);
  });
});

test('A repository may be named in any case and with `.git`, if its host ignores case', async () => {
  const { id, upstream, path } = repository;
  const host = { baseUrl: upstream.url, allowPrivateAddresses: true, caseInsensitivePaths: true };
  const service = repository.start({ hosts: { [HOST]: host }, freshness: { maxAge: HOUR } });
  for (const typed of [
    parseRepository(`${HOST}/Org/Repo`),
    { host: 'Git.TEST', path: 'ORG/repo.git' },
  ]) {
    const head = await repository.head();
    const { source, etag } = await read(service, defaultSnapshot(typed));
    expect(source).toBe('build');
    const stored = await service.statStored(defaultSnapshot(id));
    expect(stored).toMatchObject({ repository: id, etag });
    expect(await service.statStored(defaultSnapshot(typed))).toEqual(stored);
    expect(await service.statStored(defaultSnapshot(typed), { revalidate: true })).toEqual(stored);
    expect(await service.statStored(defaultSnapshot(typed), { etags: [etag] })).toEqual(stored);
    const opened = await service.openStored(defaultSnapshot(typed));
    opened?.body.destroy();
    expect(opened).toMatchObject({ repository: id, etag });
    expect(service.headCommit(typed)).toBe(head);
    expect(await service.isHead({ kind: 'bundle', repository: typed, base: head })).toBe(true);
    const refs = new Map([['refs/heads/main', head]]);
    expect(await service.ensureRefs(typed, { refs, commits: [] })).toMatchObject({ refs });
    expect(await service.refresh(typed)).toMatchObject({ repository: id, commit: head });
    expect((await service.listRepositories()).map((each) => each.repository)).toEqual([id]);
    await service.delete(defaultSnapshot(typed));
    expect(await service.statStored(defaultSnapshot(id))).toBeUndefined();
    await service.purge(typed);
    expect(service.headCommit(id)).toBeUndefined();
  }
  expect(new Set(upstream.requests.map((each) => each.repository))).toEqual(new Set([path]));
});

test('A stored snapshot has the metadata of the built one', async () => {
  const service = repository.start();
  const built = await service.get(repository.snapshot);
  const { length } = await buffer(built.body);
  const opened = await service.get(repository.snapshot);
  await buffer(opened.body);
  const stored = await service.statStored(repository.snapshot);
  expect(stored).toMatchObject({ etag: built.etag, commit: built.commit, size: length });
  expect(built.commit).toBe(await repository.head());
  expect(opened).toMatchObject({ ...stored, source: 'store' });
});

test('The ETag of a snapshot changes with the repository', async () => {
  const before = await read(repository.start(), repository.snapshot);
  await push(repository.bare);
  const after = await read(repository.start({ dataDir: await directory() }), repository.snapshot);
  expect(after.etag).not.toBe(before.etag);
});

test('Events report what happens, in order', async () => {
  const service = repository.start({ freshness: { maxAge: HOUR } });
  const names = EVENT_NAMES.filter((name) => name !== 'jobProgress');
  const seen: string[] = [];
  for (const name of names) listen(service, name, () => seen.push(name));
  let progress = 0;
  listen(service, 'jobProgress', () => progress++);
  await read(service, repository.snapshot);
  await read(service, repository.snapshot);
  await service.delete(repository.snapshot);
  expect(seen).toEqual([
    'miss',
    'clone started',
    'clone done',
    'build started',
    'build done',
    'store started',
    'store done',
    'hit',
    'evicted',
  ]);
  expect(progress).toBeGreaterThan(0);
});

describe('A store that fails', () => {
  test('on a read fails the request', async () => {
    const store = brokenStore('open');
    const service = repository.start({ store });
    await expect(service.get(repository.snapshot)).rejects.toThrow('open is broken');
  });

  test('on a write fails no request', async () => {
    const service = repository.start({ store: brokenStore('put') });
    const failures: string[] = [];
    listen(service, 'store failed', ({ error }) => failures.push(error.message));
    const [a, b] = await Promise.all([
      read(service, repository.snapshot),
      read(service, repository.snapshot),
    ]);
    expect(a.bytes).toEqual(b.bytes);
    expect(a.bytes.length).toBeGreaterThan(0);
    await service.close({ drain: true });
    expect(failures).toEqual(['put is broken']);
  });
});

describe('A service that closes', () => {
  test('waits for a build with `drain`', async () => {
    const store = new MemoryStore({ maxBytes: 1e6 });
    const service = repository.start({ store });
    const gate = repository.upstream.gate(repository.path);
    const waiting = read(service, repository.snapshot);
    await gate.reached;
    const closed = service.close({ drain: true });
    gate.release();
    const built = await waiting;
    await closed;
    const again = repository.start({ store });
    expect(await read(again, repository.snapshot)).toEqual({ ...built, source: 'store' });
  });

  test('otherwise ends a clone at once, and leaves nothing behind', async () => {
    const service = repository.start();
    const gate = repository.upstream.gate(repository.path);
    const waiting = service.get(repository.snapshot);
    await gate.reached;
    const [outcome] = await Promise.allSettled([waiting, service.close(), service.close()]);
    expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'CLOSED' } });
    expect(await leftovers(repository.dataDir)).toEqual([]);
    await expect(service.get(repository.snapshot)).rejects.toMatchObject({ code: 'CLOSED' });
  });
});

function brokenStore(method: 'open' | 'put'): SnapshotStore {
  const store = new MemoryStore({ maxBytes: 1e6 });
  return Object.assign(store, {
    [method]: () => Promise.reject(new Error(`${method} is broken`)),
  });
}

import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import {
  createSnapshotService,
  MemoryStore,
  parseRepository,
  type SnapshotOptions,
  type SnapshotService,
  type SnapshotStore,
} from '../../lib/index.js';
import { EVENT_NAMES } from '../support/event-names.js';
import { leftovers } from '../support/host-app.js';
import { git } from '../support/run.js';
import { buildSmall, push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';
import { startUpstream, type Upstream } from '../support/upstream.js';

const shared = cleanup(afterAll);
const { directory, defer } = cleanup(afterEach);
const repository = parseRepository('git.test/org/repo');

let upstream: Upstream;
let bare: string;

beforeAll(async () => {
  const root = await shared.directory();
  bare = join(root, 'org/repo.git');
  await buildSmall(bare);
  upstream = await startUpstream({ root });
  shared.defer(() => upstream.close());
});

afterEach(() => {
  upstream.heal('org/repo');
  upstream.requests.length = 0;
});

async function startService(options: Partial<SnapshotOptions> = {}): Promise<SnapshotService> {
  const service = createSnapshotService({
    dataDir: await directory(),
    hosts: { 'git.test': { baseUrl: upstream.url, allowPrivateAddresses: true } },
    ...options,
  });
  defer(() => service.close());
  return service;
}

async function read(service: SnapshotService): Promise<{ source: string; bytes: Buffer }> {
  const { source, body } = await service.get(repository);
  return { source, bytes: await buffer(body) };
}

describe('get', () => {
  test('serves what is stored unchanged, without asking the upstream', async () => {
    const store = new MemoryStore({ maxBytes: 1e6 });
    const first = await startService({ store });
    const generated = await read(first);
    expect(generated.source).toBe('generation');
    await first.close({ running: 'wait' });
    upstream.requests.length = 0;

    const second = await startService({ store });
    const stored = await read(second);
    expect(stored).toEqual({ source: 'store', bytes: generated.bytes });
    expect(upstream.requests).toEqual([]);
  });

  test('fails when there is nothing to clone', async () => {
    upstream.fault('org/repo', { kind: 'status', status: 404 });
    const service = await startService();
    await expect(service.get(repository)).rejects.toMatchObject({ code: 'UPSTREAM_NOT_FOUND' });
    expect(await service.stat(repository)).toBeUndefined();
  });

  test('generates from a ready mirror, also one that an earlier process cloned', async () => {
    const dataDir = await directory();
    const store = new MemoryStore({ maxBytes: 1e6 });
    const first = await startService({ dataDir, store });
    const { bytes } = await read(first);
    await first.delete(repository);
    expect((await read(first)).bytes).toEqual(bytes);
    await first.delete(repository);
    await first.close();

    const second = await startService({ dataDir, store });
    expect(await read(second)).toEqual({ source: 'generation', bytes });
    expect(upstream.uploadPacks('org/repo')).toBe(1);
  });

  test('is refused for hosts that are not allowed', async () => {
    const service = await startService();
    const elsewhere = parseRepository('elsewhere.test/org/repo');
    for (const call of [
      service.get(elsewhere),
      service.stat(elsewhere),
      service.delete(elsewhere),
    ]) {
      await expect(call).rejects.toMatchObject({ code: 'FORBIDDEN' });
    }
  });

  test('stops waiting when its signal aborts, while the generation goes on', async () => {
    const service = await startService();
    const gate = upstream.gate('org/repo');
    const controller = new AbortController();
    const waiting = service.get(repository, { signal: controller.signal });
    await gate.reached;
    controller.abort(new Error('no longer wanted'));
    await expect(waiting).rejects.toThrow('no longer wanted');
    gate.release();
    expect((await read(service)).bytes.length).toBeGreaterThan(0);
    expect(upstream.uploadPacks('org/repo')).toBe(1);
  });
});

test('the metadata of a stored snapshot are those of the generated one', async () => {
  const service = await startService();
  const generated = await service.get(repository);
  const { length } = await buffer(generated.body);
  const opened = await service.get(repository);
  await buffer(opened.body);
  const stored = await service.stat(repository);
  expect(stored).toMatchObject({ etag: generated.etag, commit: generated.commit, size: length });
  expect(generated.commit).toBe((await git(bare, 'rev-parse', 'HEAD')).trim());
  expect(opened).toMatchObject({ ...stored, source: 'store' });
});

test('the tag changes when the repository did', async () => {
  const path = 'org/changing';
  const changing = parseRepository(`git.test/${path}`);
  const mirrorOf = join(bare, '..', 'changing.git');
  await buildSmall(mirrorOf);
  const before = await (await startService()).get(changing);
  await buffer(before.body);
  await push(mirrorOf);
  const after = await (await startService()).get(changing);
  await buffer(after.body);
  expect(after.etag).not.toBe(before.etag);
});

test('events tell what happens, in order', async () => {
  const service = await startService();
  const names = EVENT_NAMES.filter((name) => name !== 'cloneProgress');
  const seen: string[] = [];
  for (const name of names) service.events.on(name, () => seen.push(name));
  let progress = 0;
  service.events.on('cloneProgress', () => progress++);
  await read(service);
  await read(service);
  await service.delete(repository);
  expect(seen).toEqual([
    'miss',
    'cloneStarted',
    'cloneFinished',
    'generationStarted',
    'generationFinished',
    'hit',
    'evicted',
  ]);
  expect(progress).toBeGreaterThan(0);
});

describe('a store that fails', () => {
  test('while it is asked fails the request', async () => {
    const store = brokenStore('open');
    const service = await startService({ store });
    await expect(service.get(repository)).rejects.toThrow('open is broken');
  });

  test('while it is written to costs nobody the snapshot', async () => {
    const service = await startService({ store: brokenStore('create') });
    const failures: string[] = [];
    service.events.on('storeFailed', ({ error }) => failures.push(error.message));
    const [a, b] = await Promise.all([read(service), read(service)]);
    expect(a.bytes).toEqual(b.bytes);
    expect(a.bytes.length).toBeGreaterThan(0);
    await service.close({ running: 'wait' });
    expect(failures).toEqual(['create is broken']);
  });
});

describe('close', () => {
  test('waits for a generation when it is told to', async () => {
    const store = new MemoryStore({ maxBytes: 1e6 });
    const service = await startService({ store });
    const gate = upstream.gate('org/repo');
    const waiting = read(service);
    await gate.reached;
    const closed = service.close({ running: 'wait' });
    gate.release();
    const { bytes } = await waiting;
    await closed;
    const again = await startService({ store });
    expect(await read(again)).toEqual({ source: 'store', bytes });
  });

  test('ends a clone otherwise, and leaves nothing behind', async () => {
    const dataDir = await directory();
    const service = await startService({ dataDir });
    const gate = upstream.gate('org/repo');
    const waiting = service.get(repository);
    await gate.reached;
    const [outcome] = await Promise.allSettled([waiting, service.close(), service.close()]);
    expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'CLOSED' } });
    expect(await leftovers(dataDir)).toEqual([]);
    await expect(service.get(repository)).rejects.toMatchObject({ code: 'CLOSED' });
  });
});

function brokenStore(method: 'open' | 'create'): SnapshotStore {
  const store = new MemoryStore({ maxBytes: 1e6 });
  return Object.assign(store, {
    [method]: () => Promise.reject(new Error(`${method} is broken`)),
  });
}

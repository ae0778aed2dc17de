import { EventEmitter, once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { InProcessLocks, MemoryStore } from '../../lib/index.js';
import {
  counter,
  type FreshRepository,
  freshRepository,
  next,
  read,
} from '../support/fresh-repository.js';
import { expectNothingLeft, mirrorNames } from '../support/nothing-left.js';
import { push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);

let repository: FreshRepository;

beforeEach(async () => {
  repository = await freshRepository({ directory, defer });
});

test('removes the mirror and all that is stored; afterwards everything works anew', async () => {
  const service = repository.start();
  const old = await read(service, repository.id);
  await read(service, { ...repository.id, depth: 1 });
  const evicted = next(service, 'mirrorEvicted');
  await service.evict(repository.id);
  expect((await evicted)[0].bytes).toBeGreaterThan(0);
  expect(await mirrorNames(repository.dataDir)).toEqual([]);
  expect(await service.stat(repository.id)).toBeUndefined();
  expect(await service.stat({ ...repository.id, depth: 1 })).toBeUndefined();
  expect(await service.repositories()).toEqual([]);
  expect(await service.pushed(`${repository.upstream.url}/${repository.path}`)).toBe(false);

  const clones = counter(service, 'cloneFinished');
  expect(await read(service, repository.id)).toEqual(old);
  expect(clones()).toBe(1);
});

test('removes what is stored for others who share locks as well', async () => {
  const store = new MemoryStore({ maxBytes: 1e9 });
  const service = repository.start({ store, locks: new InProcessLocks() });
  await read(service, repository.id);
  const checked = next(service, 'refreshed');
  await service.pushed(`${repository.upstream.url}/${repository.path}`);
  await checked;
  const key = `check/${repository.id.host}/${repository.path}`;
  while ((await store.stat(key)) === undefined) await setImmediate();
  await service.evict(repository.id);
  expect(await store.list().next()).toMatchObject({ done: true });
});

test.each([{ depth: 1 }, { ref: 'v1.0.0' }])('a clone may begin with %j', async (variant) => {
  const service = repository.start();
  const { commit } = await read(service, { ...repository.id, ...variant });
  expect(commit).toHaveLength(40);
  expect((await service.repositories()).map((status) => status.repository)).toEqual([
    repository.id,
  ]);
});

test('of what is not there does nothing', async () => {
  const service = repository.start();
  await service.evict(repository.id);
  expect(repository.upstream.requests).toEqual([]);
});

test('finds a mirror that another service made since', async () => {
  const service = repository.start();
  await service.started;
  const other = repository.start();
  await read(other, repository.id);
  await other.close({ running: 'wait' });
  await service.evict(repository.id);
  expect(await mirrorNames(repository.dataDir)).toEqual([]);
});

test('waits for a clone and for what is generated of it', async () => {
  const service = repository.start();
  const gate = repository.upstream.gate(repository.path, 20);
  const reading = read(service, repository.id);
  await gate.reached;
  const clones = counter(service, 'cloneStarted');
  const evicting = service.evict(repository.id);
  gate.release();
  expect((await reading).commit).toBe(await repository.head());
  await evicting;
  expect(clones()).toBe(0);
  expect(await mirrorNames(repository.dataDir)).toEqual([]);
  expect(await service.stat(repository.id)).toBeUndefined();
});

test('waits for an update', async () => {
  const service = repository.start();
  await read(service, repository.id);
  const commit = await push(repository.bare);
  const gate = repository.upstream.gate(repository.path, 20);
  const refreshing = service.refresh(repository.id);
  await gate.reached;
  const evicting = service.evict(repository.id);
  gate.release();
  await Promise.all([refreshing, evicting]);
  await service.evict(repository.id);
  expect(await mirrorNames(repository.dataDir)).toEqual([]);
  expect((await read(service, repository.id)).commit).toBe(commit);
});

/** Stores variants when it is told to. Until then their generations keep the mirror in use. */
class GatedStore extends MemoryStore {
  readonly gates = new EventEmitter();

  override async create(...[key, ...rest]: Parameters<MemoryStore['create']>) {
    const [kind, variant] = key.split('/');
    const [, options] = rest;
    if (kind === 'variant') {
      const opened = once(this.gates, `open ${variant}`, { signal: options?.signal });
      this.gates.emit(`reached ${variant}`);
      await opened;
    }
    return await super.create(key, ...rest);
  }
}

test('has its turn although others want the mirror before it is free', async () => {
  const store = new GatedStore({ maxBytes: 1e9 });
  const service = repository.start({ store });
  const reached = once(store.gates, 'reached depth=1');
  const first = read(service, { ...repository.id, depth: 1 });
  await reached;
  const evicting = service.evict(repository.id);
  store.gates.once('reached depth=2', async () => {
    await evicting;
    store.gates.emit('open depth=2');
  });
  const clones = counter(service, 'cloneStarted');
  const second = read(service, { ...repository.id, depth: 2 });
  await next(service, 'miss');
  store.gates.emit('open depth=1');
  await Promise.all([evicting, first, second]);
  await service.close({ running: 'wait' });
  expect(clones()).toBe(1);
});

/** Has evictions begin while a variant is being looked for. */
class EvictingStore extends MemoryStore {
  evict: () => void = () => {};

  override async stat(...[key, ...rest]: Parameters<MemoryStore['stat']>) {
    if (key.startsWith('variant/')) this.evict();
    return await super.stat(key, ...rest);
  }
}

test.each(['gone', '0'.repeat(40)])(
  'does not wait for who looks for %s, who waits for it',
  async (ref) => {
    const store = new EvictingStore({ maxBytes: 1e9 });
    const service = repository.start({ store });
    await read(service, repository.id);
    const evictions: Promise<void>[] = [];
    store.evict = () => evictions.push(service.evict(repository.id));
    const reading = read(service, { ...repository.id, ref });
    await expect(reading).rejects.toMatchObject({ code: 'REF_NOT_FOUND' });
    expect(evictions.length).toBeGreaterThan(1);
    await Promise.all(evictions);
  },
);

test('gives up when the service is closed', async () => {
  const service = repository.start();
  const gate = repository.upstream.gate(repository.path, 20);
  const reading = read(service, repository.id);
  await gate.reached;
  const outcomes = await Promise.allSettled([
    service.evict(repository.id),
    reading,
    service.close(),
  ]);
  const closed = { status: 'rejected', reason: { code: 'CLOSED' } };
  expect(outcomes).toMatchObject([closed, closed, { status: 'fulfilled' }]);
  await expectNothingLeft(repository.dataDir, repository.upstream);
});

test('by one service, while another one reads, costs nobody a snapshot', async () => {
  const [a, b] = [repository.start(), repository.start()];
  const whole = await read(a, repository.id);
  await b.started;
  for (let i = 0; i < 10; i++) {
    const readings = Array.from(
      { length: 4 },
      async (_, depth) => (await read(b, { ...repository.id, depth: depth + 1 })).commit,
    );
    const [commits] = await Promise.all([Promise.all(readings), a.evict(repository.id)]);
    expect(new Set(commits)).toEqual(new Set([whole.commit]));
  }
  await Promise.all([a.close({ running: 'wait' }), b.close({ running: 'wait' })]);
  await expectNothingLeft(repository.dataDir, repository.upstream);
});

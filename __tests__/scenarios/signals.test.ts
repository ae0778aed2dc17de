import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setImmediate } from 'node:timers/promises';
import { MemoryStore, type SnapshotService } from '../../lib/index.js';
import type { SnapshotStore } from '../../lib/stores/index.js';
import { door } from '../support/door.js';
import { type FreshRepository, freshRepository, read } from '../support/fresh-repository.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);
const reason = new Error('no longer wanted');
let repository: FreshRepository;

beforeEach(async () => {
  repository = await freshRepository({ directory, defer });
});

type Call = (service: SnapshotService, signal: AbortSignal) => Promise<unknown>;

const COMMIT = 'c'.repeat(40);
const CALLS: Record<string, Call> = {
  ready: (service, signal) => service.ready({ signal }),
  get: (service, signal) => service.get(repository.snapshot, { signal }),
  statStored: (service, signal) => service.statStored(repository.snapshot, { signal }),
  'statStored with revalidate': (service, signal) =>
    service.statStored(repository.snapshot, { revalidate: true, signal }),
  'statStored with etags': (service, signal) =>
    service.statStored(repository.snapshot, { etags: ['"tag"'], signal }),
  openStored: (service, signal) => service.openStored(repository.snapshot, { signal }),
  getDownloadUrl: (service, signal) => {
    const { id } = repository;
    const about = {
      etag: '"tag"',
      commit: COMMIT,
      size: 1,
      storedAt: 1,
      revision: '1',
      metadata: {},
    };
    const headers = { contentType: 'application/zstd', contentDisposition: 'attachment' };
    const stored = { repository: id, ...about };
    return service.getDownloadUrl(repository.snapshot, stored, { ...headers, signal });
  },
  delete: (service, signal) => service.delete(repository.snapshot, { signal }),
  isHead: (service, signal) =>
    service.isHead({ kind: 'bundle', repository: repository.id, base: COMMIT }, { signal }),
  ensureRefs: (service, signal) =>
    service.ensureRefs(repository.id, { refs: new Map(), commits: [COMMIT] }, { signal }),
  refresh: (service, signal) => service.refresh(repository.id, { signal }),
  notifyPush: (service, signal) => service.notifyPush(repository.url, { signal }),
  purge: (service, signal) => service.purge(repository.id, { signal }),
};

/** A store that takes no notice of signals, and answers when the test lets it. */
function deafStore() {
  const getDownloadUrl = async () => 'https://bucket.test/object';
  const store: SnapshotStore = Object.assign(new MemoryStore({ maxBytes: 1e6 }), {
    getDownloadUrl,
  });
  const [answered, answer] = door();
  let calls = 0;
  const deaf = new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return async (...args: unknown[]) => {
        calls++;
        await answered;
        const heard = args.map((each) => (isOptions(each) ? { ...each, signal: undefined } : each));
        return Reflect.apply(value, target, heard);
      };
    },
  });
  return { store, deaf, answer, calls: () => calls };
}

function isOptions(value: unknown): value is object {
  return typeof value === 'object' && value !== null && 'signal' in value;
}

/** Starts a service whose store gives no answer before the test is over. */
function startDeaf(): SnapshotService {
  const { deaf, answer } = deafStore();
  const service = repository.start({ store: deaf });
  defer(answer);
  return service;
}

describe.each(Object.entries(CALLS))('%s', (_, call) => {
  test('ends with the reason of its signal, whatever the store does', async () => {
    const controller = new AbortController();
    const waiting = call(startDeaf(), controller.signal);
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
  });

  test('with a signal that has aborted calls neither the store nor the upstream', async () => {
    const { deaf, answer, calls } = deafStore();
    const service = repository.start({ store: deaf });
    answer();
    await service.ready();
    const before = calls();
    await expect(call(service, AbortSignal.abort(reason))).rejects.toBe(reason);
    await setImmediate();
    expect([calls(), repository.upstream.requests.length]).toEqual([before, 0]);
  });
});

test('Nothing is built for a client that has left before its store answered', async () => {
  const { store, deaf, answer } = deafStore();
  const opens = jest.spyOn(store, 'open');
  const service = repository.start({ store: deaf });
  const controller = new AbortController();
  const waiting = service.get(repository.snapshot, { signal: controller.signal });
  controller.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  answer();
  await service.ready();
  while (opens.mock.results.length === 0) await setImmediate();
  await Promise.allSettled(opens.mock.results.map(({ value }) => value));
  await setImmediate();
  expect(service.stats().builds).toEqual({ running: 0, queued: 0 });
});

test('listRepositories ends with the reason of its signal', async () => {
  const first = repository.start();
  await read(first, repository.snapshot);
  await first.close();
  const service = startDeaf();
  while (service.headCommit(repository.id) === undefined) await setImmediate();
  const controller = new AbortController();
  const waiting = service.listRepositories({ signal: controller.signal });
  controller.abort(reason);
  await expect(waiting).rejects.toBe(reason);
});

test.each(['get', 'openStored'] as const)(
  'A body that a store opens after %s has ended is closed',
  async (name) => {
    const { store, deaf, answer } = deafStore();
    await read(repository.start({ store }), repository.snapshot);
    const bodies: Readable[] = [];
    const open = store.open.bind(store);
    store.open = async (...about) => {
      const opened = await open(...about);
      if (opened !== undefined) bodies.push(opened.body);
      return opened;
    };
    const service = repository.start({ store: deaf, dataDir: await directory() });
    const controller = new AbortController();
    const waiting = service[name](repository.snapshot, { signal: controller.signal });
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    answer();
    await service.ready();
    while (bodies.length === 0) await setImmediate();
    const closed = bodies.map(async (body) => body.closed || (await once(body, 'close')));
    await Promise.all(closed);
  },
);

describe.each([
  ['in files', undefined],
  ['in memory', new MemoryStore({ maxBytes: 1e6 })],
])('The body of a snapshot, with a store %s,', (_, store) => {
  test.each(['build', 'store'])(
    'from the %s fails with the reason of the signal',
    async (source) => {
      const service = repository.start({ store });
      if (source === 'store') await read(service, repository.snapshot);
      else await service.delete(repository.snapshot);
      const controller = new AbortController();
      const artifact = await service.get(repository.snapshot, { signal: controller.signal });
      expect(artifact.source).toBe(source);
      controller.abort(reason);
      await setImmediate(); // nobody listens to its errors yet
      expect(artifact.body.errored).toBe(reason);
      await expect(buffer(artifact.body)).rejects.toBe(reason);
    },
  );
});

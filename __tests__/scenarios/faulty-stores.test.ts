import { once } from 'node:events';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setImmediate } from 'node:timers/promises';
import { MemoryStore, SnapshotError, type SnapshotService } from '../../lib/index.js';
import type { OpenedObject, OpenOptions } from '../../lib/stores/index.js';
import { passDeadlines } from '../support/deadlines.js';
import { door } from '../support/door.js';
import { type FreshRepository, freshRepository, next, read } from '../support/fresh-repository.js';
import { cleanup } from '../support/temporary-directory.js';

/*
 * Stores that hang, fail or lie harm neither the host app's process nor the clients' checkouts.
 */

const { directory, defer } = cleanup(afterEach);
/** Milliseconds for which the service waits for the store when it closes. */
const CLOSING_TIME = 30_000;

let repository: FreshRepository;
let store: MemoryStore;
/** Bodies that the store has opened. */
let bodies: Readable[];
let uncaught: unknown[];

beforeEach(async () => {
  repository = await freshRepository({ directory, defer });
  store = new MemoryStore({ maxBytes: 1e6 });
  bodies = [];
  uncaught = [];
  const note = (error: unknown) => void uncaught.push(error);
  process.on('uncaughtException', note);
  defer(() => void process.off('uncaughtException', note));
});

/** Starts a service that has a snapshot stored. */
async function startWithSnapshot(): Promise<SnapshotService> {
  const service = repository.start({ store });
  await read(service, repository.snapshot);
  return service;
}

/** Replaces what the store opens. */
function openAs(change: (opened: OpenedObject, options: OpenOptions) => Promise<OpenedObject>) {
  const open = store.open.bind(store);
  store.open = async (key, { signal, ...options } = {}) => {
    const opened = await open(key, options);
    if (opened === undefined) return undefined;
    const changed = await change(opened, { ...options, signal });
    bodies.push(changed.body);
    return changed;
  };
}

async function closed(body: Readable | undefined): Promise<void> {
  if (body !== undefined && !body.closed) await once(body, 'close').catch(() => {});
  await setImmediate(); // an error without a listener would end the process by now
}

test('A body that a store makes with the signal of a client that has left does not end the process', async () => {
  const service = await startWithSnapshot();
  const [asked, ask] = door();
  const [answered, answer] = door();
  openAs(async (opened, { signal }) => {
    const bytes = await buffer(opened.body);
    ask();
    await answered;
    return { ...opened, body: Readable.from([bytes], { objectMode: false, signal }) };
  });
  const leaving = new AbortController();
  const reason = new Error('the client has left');
  const waiting = service.get(repository.snapshot, { signal: leaving.signal });
  await asked;
  leaving.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  answer();
  while (bodies.length === 0) await setImmediate();
  await closed(bodies[0]);
  expect(uncaught).toEqual([]);
});

test('A body that fails before it is read does not end the process, and its reader gets the error', async () => {
  const service = await startWithSnapshot();
  const failure = new Error('the connection is gone');
  openAs(async (opened) => {
    opened.body.destroy();
    return { ...opened, body: new Readable({ read() {} }) };
  });
  const { body } = await service.get(repository.snapshot);
  body.destroy(failure);
  await closed(body);
  expect(uncaught).toEqual([]);
  await expect(buffer(body)).rejects.toBe(failure);
});

test('A store that ignores which version it is asked for gives no part of another one', async () => {
  const service = await startWithSnapshot();
  openAs(async (opened) => ({ ...opened, revision: 'another' }));
  const stored = await service.statStored(repository.snapshot);
  const opened = service.openStored(repository.snapshot, { revision: stored?.revision });
  await expect(opened).resolves.toBeUndefined();
  await setImmediate();
  expect(bodies[0]?.destroyed).toBe(true);
});

test('A snapshot of which a store keeps only a part is told and not served', async () => {
  const put = store.put.bind(store);
  store.put = async (key, body, options) => {
    if (!key.endsWith('/snapshot')) return await put(key, body, options);
    const bytes = await buffer(body);
    return await put(key, Readable.from([bytes.subarray(0, -1)]), options);
  };
  const service = repository.start({ store });
  const failed = next(service, 'store failed');
  await read(service, repository.snapshot);
  expect((await failed).error.code).toBe('STORE_FAILED');
  await expect(service.statStored(repository.snapshot)).resolves.toBeUndefined();
});

test('A store that lists each snapshot twice keeps as many of them as it should', async () => {
  const list = store.list.bind(store);
  store.list = async function* (options) {
    for await (const object of list(options)) yield* [object, object];
  };
  const service = repository.start({ store, budgets: { maxVariants: 2 } });
  const ids = [1, 2].map((depth) => ({ ...repository.snapshot, depth }));
  for (const id of ids) await read(service, id);
  for (const id of ids) await expect(service.statStored(id)).resolves.toBeDefined();
});

test('A snapshot that a store opens for a clone after the service has closed is closed', async () => {
  await (await startWithSnapshot()).close();
  const [asked, ask] = door();
  const [answered, answer] = door();
  openAs(async (opened) => {
    ask();
    await answered;
    return opened;
  });
  const service = repository.start({ store, dataDir: await directory() });
  const waiting = service.get({ ...repository.snapshot, depth: 1 });
  await asked;
  const refused = expect(waiting).rejects.toMatchObject({ code: 'CLOSED' });
  await service.close();
  await refused;
  answer();
  while (bodies.length === 0) await setImmediate();
  await setImmediate();
  expect(bodies[0]?.destroyed).toBe(true);
});

describe('A service closes although its store never ends', () => {
  const warnings = jest.spyOn(process, 'emitWarning');
  beforeEach(() => {
    warnings.mockReset();
    passDeadlines(defer, CLOSING_TIME);
  });
  afterAll(() => warnings.mockRestore());

  /** A call that ends after the test. */
  function endless() {
    const [asked, ask] = door();
    const [ended, end] = door();
    defer(end);
    const call = async (): Promise<never> => {
      ask();
      await ended;
      throw new SnapshotError('STORE_FAILED', 'the test is over');
    };
    return { asked, call };
  }

  async function expectClosed(service: SnapshotService): Promise<void> {
    await service.close();
    expect(warnings.mock.calls.map(([message]) => message)).toEqual([
      'the service is closed, but a store or locks have not ended their calls',
    ]);
  }

  test('a look at what is stored', async () => {
    const { asked, call } = endless();
    store.stat = call;
    const service = repository.start({ store });
    await asked;
    await expectClosed(service);
  });

  test('a write', async () => {
    const { asked, call } = endless();
    store.put = call;
    const service = repository.start({ store });
    const { body } = await service.get(repository.snapshot);
    await buffer(body);
    await asked;
    await expectClosed(service);
  });

  test('a list', async () => {
    const { asked, call } = endless();
    // biome-ignore lint/correctness/useYield: it never comes to its first object
    store.list = async function* () {
      await call();
    };
    const service = repository.start({ store });
    const { body } = await service.get({ ...repository.snapshot, depth: 1 });
    await buffer(body);
    await asked;
    await expectClosed(service);
  });
});

import { EventEmitter, on, once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import {
  createSnapshotService,
  InProcessLocks,
  type LockRegistry,
  MemoryStore,
  type SnapshotOptions,
  type SnapshotService,
} from '../../lib/index.js';
import { damagePack } from '../support/damage-pack.js';
import { HOST, type HostApp, leftovers, startHostApp } from '../support/host-app.js';
import { expectProblem } from '../support/problem.js';
import { openFiles, threadCount } from '../support/process-resources.js';
import { seededBytes } from '../support/random.js';
import { RepositoryBuilder } from '../support/repository-builder.js';
import { cleanup } from '../support/temporary-directory.js';
import { startUpstream, type Upstream } from '../support/upstream.js';

const shared = cleanup(afterAll);
const { directory, defer } = cleanup(afterEach);
const PATH = 'org/repo';
const repository = { host: HOST, path: PATH };

let upstream: Upstream;
let dataDir: string;
let app: HostApp;

beforeAll(async () => {
  const root = await shared.directory();
  const builder = await RepositoryBuilder.create(join(root, `${PATH}.git`));
  // More than sockets and pipes hold, so that a client that does not read keeps its answer open.
  builder.commit({ files: { 'noise.bin': seededBytes('noise', 16 << 20) } });
  await builder.finish();
  upstream = await startUpstream({ root });
  shared.defer(() => upstream.close());
});

beforeEach(async () => {
  dataDir = await directory();
  app = await startHostApp({ dataDir, upstreamUrl: upstream.url });
  defer(() => app.close());
  defer(() => upstream.heal(PATH));
  upstream.requests.length = 0;
});

function request(url = app.snapshotUrl(PATH)): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, resolve).on('error', reject);
  });
}

/** Resolves when some of the pack has arrived; the upstream sends no more of it. */
async function halfCloned(): Promise<void> {
  upstream.gate(PATH, 4 << 20);
  const { events } = app.router.service;
  for await (const [{ progress }] of on(events, 'cloneProgress')) {
    if (progress.kind === 'pack') return;
  }
}

async function expectNothingLeft(): Promise<void> {
  expect(await leftovers(dataDir)).toEqual([]);
  expect(await openFiles(dataDir)).toEqual([]);
}

describe('closing', () => {
  test('with "wait" lets a generation finish and be stored, for its clients and the next start', async () => {
    const gate = upstream.gate(PATH, 1000);
    const clients = [request(), request()];
    await gate.reached;
    const closed = app.router.close({ running: 'wait' });
    gate.release();
    const [a, b] = await Promise.all(clients.map(async (client) => buffer(await client)));
    await closed;
    expect(a?.equals(b ?? Buffer.of())).toBe(true);
    await expectNothingLeft();

    const next = await startHostApp({ dataDir, upstreamUrl: upstream.url });
    defer(() => next.close());
    const stored = await request(next.snapshotUrl(PATH));
    expect(stored.headers['content-length']).toBe(String(a?.length));
    expect((await buffer(stored)).equals(a ?? Buffer.of())).toBe(true);
  });

  test('ends a clone: its clients get a problem', async () => {
    const threads = await threadCount();
    const arrived = halfCloned();
    const answer = expectProblem(app.snapshotUrl(PATH), 'CLOSED');
    await arrived;
    await app.router.close();
    await answer;
    await upstream.waitFor(({ requests }) => requests.every(({ closed }) => closed));
    await expectNothingLeft();
    expect(await threadCount()).toBe(threads);
  });

  test('ends a generation: the connections of its clients are broken', async () => {
    const threads = await threadCount();
    // The first frame goes out before the first event of the worker is worked off.
    const started = once(app.router.service.events, 'generationStarted');
    const client = request();
    await started;
    await app.router.close();
    const response = await client;
    if (response.statusCode === 200) await expect(buffer(response)).rejects.toThrow('aborted');
    else expect(response.statusCode).toBe(503);
    await expectNothingLeft();
    expect(await threadCount()).toBe(threads);
  });

  test('twice, at once and again, is closing once', async () => {
    await Promise.all([app.router.close(), app.router.close({ running: 'wait' })]);
    await app.router.close();
  });

  test('for good overtakes a wait', async () => {
    const arrived = halfCloned();
    const answer = expectProblem(app.snapshotUrl(PATH), 'CLOSED');
    await arrived;
    const waiting = app.router.close({ running: 'wait' });
    await Promise.all([app.router.close(), waiting]);
    await answer;
  });

  test('refuses later requests for what is not stored', async () => {
    await app.router.close();
    await expectProblem(app.snapshotUrl(PATH), 'CLOSED');
    expect(upstream.infoRefs(PATH)).toBe(0);
  });

  test('refuses new generations while it waits for those that run', async () => {
    const gate = upstream.gate(PATH, 1000);
    const answer = request();
    await gate.reached;
    const closed = app.router.close({ running: 'wait' });
    await expectProblem(app.snapshotUrl('org/other'), 'CLOSED');
    gate.release();
    await buffer(await answer);
    await closed;
  });
});

describe('who comes when a generation is over but its lock not yet given back', () => {
  test('gets the next one, if the store did not keep it', async () => {
    const locks = new SlowLocks();
    const service = startService({ locks, store: new MemoryStore({ maxBytes: 1000 }) });
    const bytes = await read(service);
    await locks.releasing;
    const second = read(service);
    setImmediate(() => locks.goOn());
    expect((await second).equals(bytes)).toBe(true);
  });

  test('gets the next one, if it failed', async () => {
    const bytes = await buffer(await request());
    await app.router.service.delete(repository);
    await app.close();
    await damagePack(dataDir);
    const locks = new SlowLocks();
    const service = startService({ locks });
    await expect(read(service)).rejects.toMatchObject({ code: 'REPOSITORY_DAMAGED' });
    await locks.releasing;
    const second = read(service);
    setImmediate(() => locks.goOn());
    expect((await second).equals(bytes)).toBe(true);
  });
});

function startService(options: Partial<SnapshotOptions>): SnapshotService {
  const service = createSnapshotService({
    dataDir,
    hosts: { [HOST]: { baseUrl: upstream.url, allowPrivateAddresses: true } },
    ...options,
  });
  defer(() => service.close());
  return service;
}

async function read(service: SnapshotService): Promise<Buffer> {
  return buffer((await service.get(repository)).body);
}

/** Gives no lock back before it is told to, as a registry across a slow network. */
class SlowLocks implements LockRegistry {
  readonly #locks = new InProcessLocks();
  readonly #events = new EventEmitter();
  readonly releasing = once(this.#events, 'releasing');
  readonly #goneOn = once(this.#events, 'goOn');

  goOn(): void {
    this.#events.emit('goOn');
  }

  readonly acquire: LockRegistry['acquire'] = async (key, options) => {
    const { signal, release } = await this.#locks.acquire(key, options);
    return {
      signal,
      release: async () => {
        this.#events.emit('releasing');
        await this.#goneOn;
        await release();
      },
    };
  };
}

import { EventEmitter, on, once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import {
  InProcessLocks,
  type LockRegistry,
  MemoryStore,
  type SnapshotService,
} from '../../lib/index.js';
import { damagePack } from '../support/damage-pack.js';
import { type FreshRepository, freshRepository, next } from '../support/fresh-repository.js';
import { type HostApp, leftovers, startHostApp } from '../support/host-app.js';
import { expectProblem } from '../support/problem.js';
import { openFiles, threadCount } from '../support/process-resources.js';
import { seededBytes } from '../support/random.js';
import { RepositoryBuilder } from '../support/repository-builder.js';
import { cleanup } from '../support/temporary-directory.js';

const shared = cleanup(afterAll);
const { directory, defer } = cleanup(afterEach);
const MIB = 1 << 20;

let repository: FreshRepository;
let upstream: FreshRepository['upstream'];
let dataDir: string;
let app: HostApp;

beforeAll(async () => {
  repository = await freshRepository(shared, async (bare) => {
    const builder = await RepositoryBuilder.create(bare);
    // There is an event of a clone for each MiB.
    builder.commit({ files: { 'noise.bin': seededBytes('noise', 3 * MIB) } });
    await builder.finish();
  });
  upstream = repository.upstream;
});

beforeEach(async () => {
  dataDir = await directory();
  app = await start();
  defer(() => upstream.heal(repository.path));
  upstream.requests.length = 0;
});

/** Starts an app on the data directory of the test. */
async function start(): Promise<HostApp> {
  const started = await startHostApp({ dataDir, upstreamUrl: upstream.url });
  defer(() => started.close());
  return started;
}

function request(url = app.snapshotUrl(repository.path)): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, resolve).on('error', reject);
  });
}

/** Resolves when some of the pack has arrived; the upstream sends no more of it. */
async function halfCloned(): Promise<void> {
  upstream.gate(repository.path, 2 * MIB);
  const { events } = app.router.service;
  for await (const [{ progress }] of on(events, 'cloneProgress')) {
    if (progress.kind === 'pack') return;
  }
}

async function expectNothingLeft(): Promise<void> {
  expect(await leftovers(dataDir)).toEqual([]);
  expect(await openFiles(dataDir)).toEqual([]);
}

describe('Closing', () => {
  test('with "wait" lets a snapshot be completed for its clients and stored for the next start', async () => {
    const gate = upstream.gate(repository.path, 1000);
    const clients = [request(), request()];
    await gate.reached;
    const closed = app.router.close({ running: 'wait' });
    gate.release();
    const [a, b] = await Promise.all(clients.map(async (client) => buffer(await client)));
    await closed;
    expect(a?.equals(b ?? Buffer.of())).toBe(true);
    await expectNothingLeft();

    const later = await start();
    const stored = await request(later.snapshotUrl(repository.path));
    expect(stored.headers['content-length']).toBe(String(a?.length));
    expect((await buffer(stored)).equals(a ?? Buffer.of())).toBe(true);
  });

  test('ends a clone, and its clients get a problem document', async () => {
    const threads = await threadCount();
    const arrived = halfCloned();
    const answer = expectProblem(app.snapshotUrl(repository.path), 'CLOSED');
    await arrived;
    await app.router.close();
    await answer;
    await upstream.waitFor(({ requests }) => requests.every(({ closed }) => closed));
    await expectNothingLeft();
    expect(await threadCount()).toBeLessThanOrEqual(threads);
  });

  test('ends a generation, and the connections of its clients break', async () => {
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
    expect(await threadCount()).toBeLessThanOrEqual(threads);
  });

  test('more than once is allowed', async () => {
    await Promise.all([app.router.close(), app.router.close({ running: 'wait' })]);
    await app.router.close();
  });

  test('at once ends the builds that an earlier closing with "wait" waits for', async () => {
    const arrived = halfCloned();
    const answer = expectProblem(app.snapshotUrl(repository.path), 'CLOSED');
    await arrived;
    const waiting = app.router.close({ running: 'wait' });
    await Promise.all([app.router.close(), waiting]);
    await answer;
  });

  test('refuses later requests for snapshots that are not stored', async () => {
    await app.router.close();
    await expectProblem(app.snapshotUrl(repository.path), 'CLOSED');
    expect(upstream.infoRefs(repository.path)).toBe(0);
  });

  test('refuses new builds while it waits for those that run', async () => {
    const gate = upstream.gate(repository.path, 1000);
    const answer = request();
    await gate.reached;
    const closed = app.router.close({ running: 'wait' });
    await expectProblem(app.snapshotUrl('org/other'), 'CLOSED');
    gate.release();
    await buffer(await answer);
    await closed;
  });
});

describe('A client that comes after a generation, but before its lock is released,', () => {
  test('gets a snapshot even if the store did not keep the first one', async () => {
    const locks = new SlowLocks();
    const service = repository.start({
      dataDir,
      locks,
      store: new MemoryStore({ maxBytes: 1000 }),
    });
    defer(() => service.close());
    const bytes = await read(service);
    await locks.releasing;
    const missed = next(service, 'miss');
    const second = read(service);
    await missed;
    locks.goOn();
    expect((await second).equals(bytes)).toBe(true);
  });

  test('gets a snapshot even if the generation failed', async () => {
    const bytes = await buffer(await request());
    await app.router.service.delete(repository.id);
    await app.close();
    await damagePack(dataDir);
    const locks = new SlowLocks();
    const service = repository.start({ dataDir, locks });
    defer(() => service.close());
    await expect(read(service)).rejects.toMatchObject({ code: 'REPOSITORY_DAMAGED' });
    await locks.releasing;
    const missed = next(service, 'miss');
    const second = read(service);
    await missed;
    locks.goOn();
    expect((await second).equals(bytes)).toBe(true);
  });
});

async function read(service: SnapshotService): Promise<Buffer> {
  return buffer((await service.get(repository.id)).body);
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

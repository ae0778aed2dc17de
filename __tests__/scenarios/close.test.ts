import { EventEmitter, once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { MemoryLocks, MemoryStore, type SnapshotService } from '../../lib/index.js';
import type { LockRegistry } from '../../lib/locks/index.js';
import { damagePack } from '../support/damage-pack.js';
import { next } from '../support/fresh-repository.js';
import { type HostApp, leftovers } from '../support/host-app.js';
import { ownRepository } from '../support/own-repository.js';
import { expectProblem } from '../support/problem.js';
import { openFiles, threadCount } from '../support/process-resources.js';
import { seededBytes } from '../support/random.js';
import { RepositoryBuilder } from '../support/repository-builder.js';
import { execute } from '../support/run.js';
import { eventsOf, nextEvent } from '../support/service-events.js';

const MIB = 1 << 20;

const repository = ownRepository(async (bare) => {
  const builder = await RepositoryBuilder.create(bare);
  // There is an event of a clone for each MiB.
  builder.commit({ files: { 'noise.bin': seededBytes('noise', 3 * MIB) } });
  await builder.finish();
});
let app: HostApp;

beforeEach(async () => {
  app = await repository.startApp();
});

function request(url = app.snapshotUrl(repository.path)): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, resolve).on('error', reject);
  });
}

/**
 * Requests a snapshot, and waits until some of the pack has arrived; the upstream sends no more of it.
 *
 * @returns `refused`, which resolves when the client has been told that the service is closed.
 */
async function requestHalfCloned(): Promise<{ refused: Promise<unknown> }> {
  repository.upstream.gate(repository.path, 2 * MIB);
  const progresses = eventsOf(app.router.service, 'jobProgress');
  const refused = expectProblem(app.snapshotUrl(repository.path), 'CLOSED');
  for await (const { progress } of progresses) {
    if (progress.kind === 'pack') break;
  }
  return { refused };
}

async function expectNothingLeft(): Promise<void> {
  expect(await leftovers(app.dataDir)).toEqual([]);
  expect(await openFiles(app.dataDir)).toEqual([]);
}

describe('Closing', () => {
  test('with `drain` lets clients get a whole snapshot, which is stored for the next start', async () => {
    const gate = repository.upstream.gate(repository.path, 1000);
    const clients = [request(), request()];
    await gate.reached;
    const closed = app.router.close({ drain: true });
    gate.release();
    const [a, b] = await Promise.all(clients.map(async (client) => buffer(await client)));
    await closed;
    expect(a?.equals(b ?? Buffer.of())).toBe(true);
    await expectNothingLeft();

    const later = await repository.startApp({ dataDir: app.dataDir });
    const stored = await request(later.snapshotUrl(repository.path));
    expect(stored.headers['content-length']).toBe(String(a?.length));
    expect((await buffer(stored)).equals(a ?? Buffer.of())).toBe(true);
  });

  test('ends a clone, and its clients get a problem document', async () => {
    const threads = await threadCount();
    const { refused } = await requestHalfCloned();
    await app.router.close();
    await refused;
    await repository.upstream.waitFor(({ requests }) => requests.every(({ closed }) => closed));
    await expectNothingLeft();
    expect(await threadCount()).toBeLessThanOrEqual(threads);
  });

  test('ends a build, and the connections of its clients break', async () => {
    const threads = await threadCount();
    // The first frame goes out before the first event of the worker is worked off.
    const started = nextEvent(app.router.service, 'build started');
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
    await Promise.all([app.router.close(), app.router.close({ drain: true })]);
    await app.router.close();
  });

  test('without `drain` ends the builds that an earlier close with `drain` waits for', async () => {
    const { refused } = await requestHalfCloned();
    const waiting = app.router.close({ drain: true });
    await Promise.all([app.router.close(), waiting]);
    await refused;
  });

  test('with a signal ends the builds that it waits for when the signal aborts', async () => {
    const { refused } = await requestHalfCloned();
    const controller = new AbortController();
    const closed = app.router.close({ drain: true, signal: controller.signal });
    controller.abort();
    await closed;
    await refused;
  });

  test('refuses later requests for snapshots that are not stored', async () => {
    await app.router.close();
    await expectProblem(app.snapshotUrl(repository.path), 'CLOSED');
    expect(repository.upstream.infoRefs(repository.path)).toBe(0);
  });

  test('refuses new builds while it waits for those that run', async () => {
    const gate = repository.upstream.gate(repository.path, 1000);
    const answer = request();
    await gate.reached;
    const closed = app.router.close({ drain: true });
    await expectProblem(app.snapshotUrl('org/other'), 'CLOSED');
    gate.release();
    await buffer(await answer);
    await closed;
  });
});

describe('A client that comes after a build, but before its lock is released,', () => {
  async function expectServed(service: SnapshotService, locks: SlowLocks, bytes: Buffer) {
    await locks.releasing;
    const missed = next(service, 'miss');
    const second = read(service);
    await missed;
    locks.goOn();
    expect((await second).equals(bytes)).toBe(true);
  }

  test('gets a snapshot even if the store did not keep the first one', async () => {
    const locks = new SlowLocks();
    const store = new MemoryStore({ maxBytes: 1000 });
    const service = await repository.startService({ locks, store });
    await expectServed(service, locks, await read(service));
  });

  test('gets a snapshot even if the build failed', async () => {
    const bytes = await buffer(await request());
    await app.router.service.delete(repository.snapshot);
    await app.close();
    await damagePack(app.dataDir);
    const locks = new SlowLocks();
    const service = await repository.startService({ locks, dataDir: app.dataDir });
    await expect(read(service)).rejects.toMatchObject({ code: 'MIRROR_CORRUPTED' });
    await expectServed(service, locks, bytes);
  });
});

async function read(service: SnapshotService): Promise<Buffer> {
  return buffer((await service.get(repository.snapshot)).body);
}

/** Releases no lock before `goOn`, like a registry across a slow network. */
class SlowLocks implements LockRegistry {
  readonly #locks = new MemoryLocks();
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

test('The process stays alive until the service is closed', async () => {
  const library = new URL('../../lib/index.js', import.meta.url).href;
  const script = `
    import { createSnapshotService, MemoryStore } from ${JSON.stringify(library)};
    const store = new MemoryStore({ maxBytes: 1e9 });
    // The start waits for this. As threads that have been told to end, it does not keep the process alive.
    store.stat = () => new Promise((resolve) => setTimeout(resolve, 10).unref());
    const service = createSnapshotService({ dataDir: process.argv[1], hosts: ['git.test'], store });
    await service.close();
    process.stdout.write('closed');
  `;
  const args = ['--input-type=module', '--eval', script, await repository.directory()];
  const { code, stdout } = await execute(process.execPath, args);
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'closed' });
});

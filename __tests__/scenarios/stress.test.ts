/**
 * @needs bash tar zstd
 * @one-node-version
 */

import { EventEmitter, once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { defaultSnapshot } from '../../lib/artifact/id.js';
import { MemoryStore, SnapshotError, type SnapshotOptions } from '../../lib/index.js';
import { MemoryLocks } from '../../lib/locks/memory.js';
import { Program } from '../bench/program.js';
import type { UpstreamOrders } from '../bench/programs/upstream.js';
import { rounds, seedOf } from '../support/effort.js';
import { fsck } from '../support/fsck.js';
import { HOST, type HostApp, leftovers, startHostApp } from '../support/host-app.js';
import { openFiles, threadCount } from '../support/process-resources.js';
import { Deck, SeededRandom, seededBytes } from '../support/random.js';
import { pushAtRandom } from '../support/random-push.js';
import { RepositoryBuilder } from '../support/repository-builder.js';
import { git } from '../support/run.js';
import { EVENT_NAMES, type EventName, listen } from '../support/service-events.js';
import { buildSmall, push } from '../support/small-repositories.js';
import { buildSynthetic } from '../support/synthetic-repository.js';
import { cleanup } from '../support/temporary-directory.js';
import { ReceivedBodies } from './received-bodies.js';
import { type ReceivedDefault, StressClient } from './stress-client.js';

/*
 * Snapshots that are served while fetches, repacks, evictions and builds run on the same
 * repositories.
 */

const shared = cleanup(afterAll);
const { directory, defer } = cleanup(afterEach);
const SEED = seedOf('scenarios/stress');
/** The least duration of each test, which goes on until all disturbances have happened. */
const REQUESTS = rounds(60, 1500);
const MAX_REQUESTS = 10 * REQUESTS;
const CLIENTS = 12;
const PATHS = ['org/text', 'org/noise', 'org/small'];
const REFS = ['main', 'other', 'v1', 'v2', 'v3', 'gone'];
const MIB = 1024 * 1024;
/** The memory in bytes that this process may take beyond that before, for a run of any length. */
const MAX_MEMORY = 400 * MIB;

let root: string;
/** In a process of its own: starting git from a large one takes much longer. */
let upstreamUrl: string;

beforeAll(async () => {
  root = await shared.directory();
  await buildSynthetic(bare('org/text'), { commits: rounds(60, 300), files: 60 });
  const noise = await RepositoryBuilder.create(bare('org/noise'));
  noise.commit({ files: { 'noise.bin': seededBytes('noise', 600_000), 'a/b.txt': 'b\n' } });
  await noise.finish();
  await buildSmall(bare('org/small'));
  for (const path of PATHS) {
    await push(bare(path), { branch: 'other' });
    // A push between the two requests of a fetch makes it fail otherwise, git's as well.
    await git(bare(path), 'config', 'uploadpack.allowAnySHA1InWant', 'true');
  }
  const upstream = await Program.start<UpstreamOrders>('upstream', { argument: { root } });
  shared.defer(() => upstream.stop());
  upstreamUrl = await upstream.order('url');
});

function bare(path: string): string {
  return join(root, `${path}.git`);
}

/** The commits at which clients of an upstream may find HEAD, and until when. */
class Heads {
  readonly #heads = new Map<string, { commit: string; until: number }[]>();

  /** To be called after each push. */
  async note(path: string): Promise<void> {
    const commit = await git(bare(path), 'rev-parse', 'HEAD');
    const heads = this.#heads.get(path) ?? [];
    const last = heads.at(-1);
    if (last !== undefined) last.until = performance.now();
    this.#heads.set(path, [...heads, { commit, until: Number.POSITIVE_INFINITY }]);
  }

  /** Whether HEAD was at a commit at some time from `time` on. */
  had(path: string, commit: string, time: number): boolean {
    const heads = this.#heads.get(path) ?? [];
    return heads.some((head) => head.commit === commit && head.until >= time);
  }
}

const FAILURES = [
  'clone failed',
  'fetch failed',
  'repack failed',
  'mirrorCorrupted',
  'build failed',
  'store failed',
  'evictionFailed',
] as const;

/** Everything that can disturb readers. */
const HARMFUL: readonly EventName[] = [
  'clone done',
  'fetch done',
  'repack done',
  'mirrorEvicted',
  'build done',
  'hit',
  'evicted',
];

/** Everything happens at the same time, in an order that the seed gives. */
class Stress {
  readonly events: Partial<Record<EventName, number>> = {};
  /** The failures, and how often each happened. */
  readonly problems: Record<string, number> = {};
  readonly received: ReceivedBodies;
  readonly client: StressClient;
  readonly #app: HostApp;
  readonly #random: SeededRandom;
  readonly #heads = new Heads();
  readonly #defaults: ReceivedDefault[] = [];
  readonly #steps = new EventEmitter<{ step: [] }>().setMaxListeners(0);
  readonly #pushing = new MemoryLocks();
  /** Reads that go on while others begin. */
  readonly #slow: Promise<void>[] = [];
  readonly #work: Deck<(path: string) => Promise<unknown>>;

  constructor(app: HostApp, received: ReceivedBodies, random: SeededRandom) {
    this.#app = app;
    this.#random = random;
    this.received = received;
    this.client = new StressClient(
      () => app.url,
      received,
      random,
      (answer) => this.#defaults.push(answer),
    );
    const { service } = app.router;
    const id = (path: string) => ({ host: HOST, path });
    this.#work = new Deck<(path: string) => Promise<unknown>>(random, [
      [(path) => this.#push(path, (seeded) => pushAtRandom(bare(path), seeded)), 2],
      [(path) => this.#thereAndBack(path), 1],
      [(path) => service.purge(id(path)), 1],
      [(path) => service.delete(defaultSnapshot(id(path))), 1],
      [(path) => service.refresh(id(path)), 1],
      [async (path) => this.#slow.push(this.#readSlowly(path)), 2],
      [(path) => this.client.ask(path, REFS), rounds(22, 92)],
    ]);
    for (const name of EVENT_NAMES) {
      listen(service, name, () => {
        this.events[name] = (this.events[name] ?? 0) + 1;
      });
    }
    for (const name of FAILURES) {
      listen(service, name, ({ error }: { error: SnapshotError }) => {
        // Clients request refs that were deleted meanwhile.
        if (!SnapshotError.is(error, 'REF_NOT_FOUND', 'BASE_NOT_FOUND')) this.#fail(error, name);
      });
    }
  }

  async run(): Promise<void> {
    for (const path of PATHS) await this.#heads.note(path);
    const work = async () => {
      while (this.#isRunning) {
        const step = this.#work.deal();
        await step(this.#random.pick(PATHS)).catch((error: unknown) => this.#fail(error));
        this.#steps.emit('step');
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, work));
    this.#steps.emit('step');
    await Promise.all(this.#slow);
  }

  /**
   * Stored default snapshots that were already outdated when they were requested. Built ones may be
   * outdated: a request that joins a clone gets what the upstream had when the clone began.
   */
  get stale(): object[] {
    return this.#defaults.filter(
      ({ path, commit, askedAt, isStored }) => isStored && !this.#heads.had(path, commit, askedAt),
    );
  }

  /** The disturbances that did not happen. */
  get missing(): string[] {
    return HARMFUL.filter((name) => this.events[name] === undefined);
  }

  get #isRunning(): boolean {
    const { count } = this.client;
    return count < REQUESTS || (count < MAX_REQUESTS && this.missing.length > 0);
  }

  /** One at a time: git locks refs, and fails rather than waits. */
  async #push(path: string, change: (random: SeededRandom) => Promise<unknown>): Promise<void> {
    const random = new SeededRandom(this.#random.below(1e9));
    const lock = await this.#pushing.acquire(path);
    try {
      await change(random);
      await this.#heads.note(path);
    } finally {
      await lock.release();
    }
  }

  /** Fetches and prunes the same commit twice, so that it comes back after it was removed. */
  async #thereAndBack(path: string): Promise<void> {
    const { service } = this.#app.router;
    await this.#push(path, async () => {
      const commit = await git(bare(path), 'commit-tree', '-m', 'alone', 'main^{tree}');
      for (let i = 0; i < 2; i++) {
        await git(bare(path), 'update-ref', 'refs/tags/flip', commit);
        await service.refresh({ host: HOST, path });
        await git(bare(path), 'update-ref', '-d', 'refs/tags/flip');
        await service.refresh({ host: HOST, path });
      }
    });
  }

  /** Reads the beginning of a body, and the rest after much else has happened. */
  async #readSlowly(path: string): Promise<void> {
    try {
      const { etag, body } = await this.#app.router.service.get(
        defaultSnapshot({ host: HOST, path }),
      );
      const chunks: Buffer[] = [];
      for await (const chunk of body) {
        chunks.push(Buffer.from(chunk));
        for (let i = 0; i < 20 && this.#isRunning; i++) await once(this.#steps, 'step');
      }
      await this.received.addSnapshot(etag, Buffer.concat(chunks), undefined);
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown, event = ''): void {
    const messages: string[] = [event];
    for (let cause = error; cause !== undefined; ) {
      messages.push(String(cause));
      cause = cause instanceof Error ? cause.cause : undefined;
    }
    const text = messages.join(' ');
    this.problems[text] = (this.problems[text] ?? 0) + 1;
  }
}

const strict = { staleWhileRevalidate: 0, maxAge: 0 } as const;
const lenient = { maxAge: 0, checkInterval: 100 } as const;

test.each<[string, Partial<SnapshotOptions>, number]>([
  ['always fresh and from files', { freshness: strict }, SEED],
  ['rebuilt in the background and from files', { freshness: lenient }, SEED + 1],
  [
    'rebuilt in the background and from memory',
    { freshness: lenient, store: new MemoryStore({ maxBytes: 2 * MIB }) },
    SEED + 2,
  ],
])('Under random load and faults, every body that is %s is complete', async (_, options, seed) => {
  const threads = await threadCount();
  const dataDir = await directory();
  const app = await startHostApp({
    dataDir,
    upstreamUrl,
    budgets: {
      ...('store' in options ? {} : { maxStoreBytes: 2 * MIB }),
      maxMirrorBytes: MIB,
      maxVariants: 4,
    },
    ...options,
  });
  defer(() => app.close());
  const stress = new Stress(app, new ReceivedBodies(await directory()), new SeededRandom(seed));
  const before = process.memoryUsage.rss();
  await stress.run();
  const memory = process.memoryUsage.rss() - before;

  expect(stress.problems).toEqual({});
  expect(stress.missing).toEqual([]);
  expect(await stress.received.check()).toEqual([]);
  if (options.freshness === strict) expect(stress.stale).toEqual([]);
  await app.router.close({ drain: true });
  await app.close();
  const mirrors = join(dataDir, 'mirrors');
  for (const name of await readdir(mirrors)) {
    const found = await fsck(join(mirrors, name));
    expect(found.filter((line) => !line.startsWith('dangling'))).toEqual([]);
  }
  expect(await leftovers(dataDir)).toEqual([]);
  expect(await openFiles(dataDir)).toEqual([]);
  expect(await threadCount()).toBeLessThanOrEqual(threads);
  expect(memory).toBeLessThan(MAX_MEMORY);
});

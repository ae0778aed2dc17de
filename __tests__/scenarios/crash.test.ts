/**
 * @one-node-version
 */
import { createHash } from 'node:crypto';
import { on } from 'node:events';
import { watch } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { AppProcess, type KillOrder } from '../support/app-process.js';
import { rounds, seedOf } from '../support/effort.js';
import { leftovers } from '../support/host-app.js';
import { SeededRandom, seededBytes } from '../support/random.js';
import { RepositoryBuilder } from '../support/repository-builder.js';
import { cleanup } from '../support/temporary-directory.js';
import { startUpstream, type Upstream } from '../support/upstream.js';

const shared = cleanup(afterAll);
const { directory, defer } = cleanup(afterEach);
const PATH = 'org/repo';
/** Several MiB, each of which is an event of the clone, and many chunks for the store. */
const NOISE_BYTES = 4 << 20;
const WRITES = NOISE_BYTES / (256 << 10);
/** Milliseconds for which nothing is stale, so that only clones send requests to the upstream. */
const FOREVER = 0x7fff_ffff;

let upstream: Upstream;
let dataDir: string;

type Phase = 'clone' | 'build' | 'store' | 'over';

interface Kill {
  /** Requests a snapshot that is not stored, and kills the app at one moment of the work. */
  readonly run: (app: AppProcess, ask: () => void) => Promise<void>;
  /** The store takes copies rather than files. */
  readonly copying?: boolean;
  /** The work of the process at that moment, if that is certain. */
  readonly phase?: Phase;
  /** Whether it certainly leaves something unfinished. */
  readonly leaves?: boolean;
}

beforeAll(async () => {
  const root = await shared.directory();
  const builder = await RepositoryBuilder.create(join(root, `${PATH}.git`));
  builder.commit({ files: { 'noise.bin': seededBytes('noise', NOISE_BYTES), 'a/b.txt': 'b\n' } });
  await builder.finish();
  upstream = await startUpstream({ root });
  shared.defer(() => upstream.close());
});

/**
 * One repository by many names, whose snapshots are the same byte by byte: each of them can be killed
 * while it is made for the first time, in one data directory.
 */
const nameOf = (n: number) => `name-${n}.test`;

async function start(names: number, copying: boolean): Promise<AppProcess> {
  const host = { baseUrl: upstream.url, allowPrivateAddresses: true };
  const app = await AppProcess.start({
    dataDir,
    upstreamUrl: upstream.url,
    hosts: Object.fromEntries(Array.from({ length: names }, (_, n) => [nameOf(n), host])),
    freshness: { maxAge: FOREVER },
    log: join(dataDir, 'events.log'),
    copying,
  });
  defer(() => app.kill());
  return app;
}

/** The digest of a complete answer, or the failure. */
async function request(app: AppProcess, name: number): Promise<string> {
  const response = await fetch(`${app.url}/git/${nameOf(name)}/${PATH}/snapshot.tar.zst`);
  const hash = createHash('sha256');
  for await (const chunk of response.body ?? []) hash.update(chunk);
  return response.status === 200 ? hash.digest('hex') : `status ${response.status}`;
}

/** Resolves when nothing unfinished is left: clients have their bytes before a build has tidied up. */
async function tidied(): Promise<void> {
  const watcher = watch(join(dataDir, 'spool'));
  try {
    const changes = on(watcher, 'change');
    while ((await leftovers(dataDir)).length > 0) await changes.next();
  } finally {
    watcher.close();
  }
}

/** The phase of a process by the last event that it reported. */
function phaseAfter(event: string | undefined): Phase {
  switch (event) {
    case 'miss':
    case 'clone started':
    case 'jobProgress':
      return 'clone';
    case 'clone done':
    case 'build started':
      return 'build';
    case 'build done':
    case 'storing':
    case 'written':
      return 'store';
    case 'stored':
      return 'over';
    default:
      throw new Error(`killed after ${event}`);
  }
}

/** Kills when the upstream has sent `offset` bytes of the pack. */
function atOffset(offset: number): Kill {
  return {
    phase: 'clone',
    leaves: true,
    async run(app, ask) {
      const gate = upstream.gate(PATH, offset);
      ask();
      await gate.reached;
      await app.kill();
      upstream.heal(PATH);
    },
  };
}

/** Kills some turns after the whole pack was sent, while it is resolved, indexed and moved. */
function afterPack(turns: number): Kill {
  return {
    async run(app, ask) {
      upstream.requests.length = 0;
      ask();
      await upstream.waitFor(({ requests }) =>
        requests.some(({ service, finished }) => service === 'upload-pack' && finished),
      );
      for (let i = 0; i < turns; i++) await setImmediate();
      await app.kill();
    },
  };
}

/** At a request to the upstream. */
function atRequest(event: 'info-refs-started' | 'upload-pack-started'): Kill {
  return {
    phase: 'clone',
    async run(app, ask) {
      const arrived = new Promise((resolve) => upstream.once(event, resolve));
      ask();
      await arrived;
      await app.kill();
    },
  };
}

/** At an event, or some turns of the event loop later. */
function atEvent(order: Omit<KillOrder, 'kind'>, expected: Omit<Kill, 'run'>): Kill {
  return {
    ...expected,
    async run(app, ask) {
      app.order({ kind: 'kill', ...order });
      ask();
      await app.gone();
    },
  };
}

function chooseKills(random: SeededRandom): Kill[] {
  const repeat = (count: number, make: () => Kill) => Array.from({ length: count }, make);
  const copying = true;
  /** Few of them as likely as many. */
  const turns = () => 2 ** random.below(14);
  const few = rounds(1, 12);
  const many = rounds(0, 12);
  return [
    atRequest('info-refs-started'),
    atRequest('upload-pack-started'),
    ...repeat(few, () => atOffset(random.below(NOISE_BYTES))),
    ...repeat(few, () => {
      const nth = 1 + random.below(NOISE_BYTES >> 20);
      return atEvent({ at: 'jobProgress', nth }, { phase: 'clone', leaves: true });
    }),
    ...repeat(few, () => afterPack(turns())),
    atEvent({ at: 'build started' }, { phase: 'build' }),
    ...repeat(few, () => atEvent({ at: 'build started', turns: turns() }, {})),
    ...repeat(many, () => atEvent({ at: 'build done', turns: turns() }, {})),
    atEvent({ at: 'storing' }, { phase: 'store', leaves: true }),
    ...repeat(few, () => atEvent({ at: 'storing', turns: random.below(100) }, {})),
    ...repeat(few, () => {
      const nth = 1 + random.below(WRITES);
      return atEvent({ at: 'written', nth }, { copying, phase: 'store', leaves: true });
    }),
    ...repeat(many, () => atEvent({ at: 'storing', turns: turns() }, { copying })),
    // Its spool is still there.
    atEvent({ at: 'stored' }, { copying, phase: 'over', leaves: true }),
  ];
}

test('After kill -9 at any moment, nothing partial is served, and nothing is left behind', async () => {
  dataDir = await directory();
  const kills = chooseKills(new SeededRandom(seedOf('scenarios/crash')));

  // The first one is not interrupted: its bytes are the expected ones.
  const reference = await start(1, true);
  const right = await request(reference, 0);
  await tidied();
  await reference.kill();

  for (const [i, { run, copying = false, phase, leaves }] of kills.entries()) {
    const name = i + 1;
    const app = await start(kills.length + 1, copying);
    // A store removes its own leftovers when it is first used.
    const left = await leftovers(dataDir);
    expect(left.filter((path) => !path.startsWith('snapshots/'))).toEqual([]);
    expect(await request(app, name - 1)).toBe(right);
    expect(await request(app, name - 1)).toBe(right);
    await tidied();
    const before = (await app.events()).length;
    const mirrors = await readdir(join(dataDir, 'mirrors'));
    expect(mirrors).toHaveLength(name);

    await run(app, () => request(app, name).catch(() => {}));
    const events = await app.events();
    const was = phaseAfter(events.slice(before).at(-1));
    const isLeft = (await leftovers(dataDir)).length > 0;
    expect([was, isLeft]).toEqual([phase ?? was, leaves ?? isLeft]);
  }

  const last = await start(kills.length + 1, false);
  for (const i of [...kills.keys(), kills.length]) expect(await request(last, i)).toBe(right);
  await tidied();
});

import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AppProcess } from '../support/app-process.js';
import { leftovers } from '../support/host-app.js';
import { SeededRandom, seededBytes } from '../support/random.js';
import { RepositoryBuilder } from '../support/repository-builder.js';
import { cleanup } from '../support/temporary-directory.js';
import { startUpstream, type Upstream } from '../support/upstream.js';

const shared = cleanup(afterAll);
const { directory, defer } = cleanup(afterEach);
const PATH = 'org/repo';
const NOISE_BYTES = 4 << 20;
const SEED = 9;

let upstream: Upstream;
let dataDir: string;

type Phase = 'clone' | 'generation' | 'store' | 'over';

/** Each asks for a snapshot that is not there and kills the app at one moment of the work. */
type Kill = (app: AppProcess, ask: () => void) => Promise<void>;

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
    log: join(dataDir, 'events.log'),
    copying,
  });
  defer(() => app.kill());
  return app;
}

/** The digest of a whole answer, or what went wrong. */
async function request(app: AppProcess, name: number): Promise<string> {
  const response = await fetch(`${app.url}/git/${nameOf(name)}/${PATH}/snapshot.tar.zst`);
  const hash = createHash('sha256');
  for await (const chunk of response.body ?? []) hash.update(chunk);
  return response.status === 200 ? hash.digest('hex') : `status ${response.status}`;
}

/** Which phase a process was in, by the last event that it told of. */
function phaseAfter(event: string | undefined): Phase {
  switch (event) {
    case 'miss':
    case 'cloneStarted':
      return 'clone';
    case 'cloneFinished':
    case 'generationStarted':
      return 'generation';
    case 'generationFinished':
      return 'store';
    case 'stored':
      return 'over';
    default:
      throw new Error(`killed after ${event}`);
  }
}

/** When the upstream has sent so much of the pack. */
const atOffset = (offset: number): Kill => {
  return async (app, ask) => {
    const gate = upstream.gate(PATH, offset);
    ask();
    await gate.reached;
    await app.kill();
    upstream.heal(PATH);
  };
};

/** So long after the upstream has sent all of the pack: while it is resolved, indexed and moved. */
const afterPack = (milliseconds: number): Kill => {
  return async (app, ask) => {
    upstream.requests.length = 0;
    ask();
    await upstream.waitFor(({ requests }) =>
      requests.some(({ service, finished }) => service === 'upload-pack' && finished),
    );
    await delay(milliseconds);
    await app.kill();
  };
};

/** At a request to the upstream. */
const atRequest = (event: 'info-refs-started' | 'upload-pack-started'): Kill => {
  return async (app, ask) => {
    const arrived = new Promise((resolve) => upstream.once(event, resolve));
    ask();
    await arrived;
    await app.kill();
  };
};

/** So many milliseconds after an event. */
const afterEvent = (at: string, milliseconds: number): Kill => {
  return async (app, ask) => {
    app.order({ kind: 'kill', at, delay: milliseconds });
    ask();
    await app.gone();
  };
};

test('kill -9 at any moment leaves nothing partial to be served, and nothing behind', async () => {
  dataDir = await directory();
  const random = new SeededRandom(SEED);
  const fraction = () => random.below(1000) / 1000;

  // The first name is made in peace, to know what is right and how long it takes.
  const reference = await start(1, true);
  const right = await request(reference, 0);
  await request(reference, 0); // a hit: it is stored
  await reference.kill();
  const times = new Map((await reference.events()).map((e) => [e.name, e.milliseconds]));
  const between = (from: string, to: string) => (times.get(to) ?? 0) - (times.get(from) ?? 0);
  const generating = between('generationStarted', 'generationFinished');
  const storing = between('generationFinished', 'stored');

  const repeat = (count: number, make: () => Kill) => Array.from({ length: count }, make);
  const kills: Kill[] = [
    atRequest('info-refs-started'),
    atRequest('upload-pack-started'),
    ...repeat(14, () => atOffset(random.below(NOISE_BYTES))),
    ...repeat(3, () => afterPack(10 * fraction())),
    ...repeat(11, () => afterEvent('generationStarted', 0.9 * generating * fraction())),
    ...repeat(11, () => afterEvent('generationFinished', 0.6 * storing * fraction())),
  ];

  const phases: Record<Phase, number> = { clone: 0, generation: 0, store: 0, over: 0 };
  let unfinished = 0;
  for (const [i, kill] of kills.entries()) {
    const name = i + 1;
    const app = await start(kills.length + 1, i % 3 !== 0);
    // A store looks for its own leftovers when it is first used.
    const left = await leftovers(dataDir);
    expect(left.filter((path) => !path.startsWith('snapshots/'))).toEqual([]);
    expect(await request(app, name - 1)).toBe(right);
    expect(await request(app, name - 1)).toBe(right);
    expect(await leftovers(dataDir)).toEqual([]);
    const before = (await app.events()).length;
    const mirrors = await readdir(join(dataDir, 'mirrors'));
    expect(mirrors).toHaveLength(name);

    await kill(app, () => request(app, name).catch(() => {}));
    const events = await app.events();
    phases[phaseAfter(events.slice(before).at(-1)?.name)]++;
    if ((await leftovers(dataDir)).length > 0) unfinished++;
  }

  const last = await start(kills.length + 1, false);
  expect(await request(last, kills.length)).toBe(right);
  for (const i of [0, ...kills.keys()]) expect(await request(last, i + 1)).toBe(right);
  expect(await leftovers(dataDir)).toEqual([]);
  // The moments were those that they were meant to be, with some room for the machine's moods.
  expect(phases.clone).toBeGreaterThanOrEqual(10);
  expect(phases.generation).toBeGreaterThanOrEqual(4);
  expect(phases.store).toBeGreaterThanOrEqual(4);
  expect(kills.length - phases.over).toBeGreaterThanOrEqual(30);
  expect(unfinished).toBeGreaterThanOrEqual(20);
}, 180_000);

import { cp, readdir, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { defaultSnapshot } from '../../lib/artifact/id.js';
import type { SnapshotOptions, SnapshotService } from '../../lib/index.js';
import { next, read } from '../support/fresh-repository.js';
import { HOST } from '../support/host-app.js';
import { mirrorNames } from '../support/nothing-left.js';
import { ownRepository } from '../support/own-repository.js';
import { buildSmall } from '../support/small-repositories.js';

const NAMES = ['org/a', 'org/b', 'org/c'];

const repository = ownRepository();
/** With a mirror of each; tests have copies. */
let template: string;
/** The size of one mirror: all have the same. */
let bytes: number;
let dataDir: string;

beforeAll(async () => {
  for (const name of NAMES) await buildSmall(join(repository.root, `${name}.git`));
  const { router, dataDir } = await repository.startSharedApp();
  template = dataDir;
  for (const name of NAMES) await read(router.service, defaultSnapshot(id(name)));
  const [status] = await router.service.listRepositories();
  bytes = status?.mirror?.bytes ?? 0;
  await router.service.close({ drain: true });
});

beforeEach(async () => {
  dataDir = await repository.directory();
});

const start = (options: Partial<SnapshotOptions>) =>
  repository.startService({ dataDir, ...options });
const id = (path: string) => ({ host: HOST, path });

async function kept(): Promise<string[]> {
  const names = await mirrorNames(dataDir);
  return names.map((name) => /org-[abc]/.exec(name)?.[0].replace('-', '/') ?? name).sort();
}

/** Fills the data directory with mirrors that were last used in this order, and a minute apart. */
async function fill(order: readonly string[]): Promise<void> {
  await cp(template, dataDir, { recursive: true });
  for (const directoryName of await mirrorNames(dataDir)) {
    const index = order.findIndex((name) => directoryName.includes(name.replace('/', '-')));
    const mirror = join(dataDir, 'mirrors', directoryName);
    if (index < 0) {
      await rm(mirror, { recursive: true });
      continue;
    }
    const time = Date.now() / 1000 - 600 + 60 * index;
    await utimes(join(mirror, 'express-git-snapshot/used'), time, time);
  }
}

/** Resolves when a service has found all its mirrors, and kept its budget. */
async function found(service: SnapshotService): Promise<void> {
  await service.ready();
  await service.listRepositories();
}

test('A start evicts the least recently used mirrors', async () => {
  await fill(['org/c', 'org/a', 'org/b']);
  await found(await start({ budgets: { maxMirrorBytes: 2 * bytes } }));
  expect(await kept()).toEqual(['org/a', 'org/b']);
});

test('A request for a stored snapshot counts as a use of its mirror, also at the next start', async () => {
  await fill(['org/c', 'org/a', 'org/b']);
  const second = await start({ freshness: { maxAge: 0x7fff_ffff } });
  await second.ready();
  await read(second, defaultSnapshot(id('org/c')));
  await second.close({ drain: true });
  await found(await start({ budgets: { maxMirrorBytes: bytes } }));
  expect(await kept()).toEqual(['org/c']);
});

test('A clone beyond the budget evicts the least recently used mirror', async () => {
  await fill(['org/c', 'org/a']);
  const service = await start({ budgets: { maxMirrorBytes: 2 * bytes } });
  await service.ready();
  // The copied data directory has its snapshot.
  await service.delete(defaultSnapshot(id('org/b')));
  const evicted = next(service, 'mirrorEvicted');
  await read(service, defaultSnapshot(id('org/b')));
  expect(await evicted).toEqual({ repository: id('org/c'), bytes, reason: 'budget' });
  await service.close({ drain: true });
  expect(await kept()).toEqual(['org/a', 'org/b']);
});

test('A mirror in use is evicted only after its use', async () => {
  const service = await start({ budgets: { maxMirrorBytes: 0 } });
  const gate = repository.upstream.gate('org/a', 20);
  const reading = read(service, defaultSnapshot(id('org/a')));
  await gate.reached;
  await Promise.all(['org/b', 'org/c'].map((name) => read(service, defaultSnapshot(id(name)))));
  gate.release();
  expect((await reading).bytes.length).toBeGreaterThan(0);
  await service.close({ drain: true });
  expect(await kept()).toEqual([]);
});

test('With a budget of 0, each build still has its mirror', async () => {
  const service = await start({ budgets: { maxMirrorBytes: 0 } });
  const all = NAMES.flatMap((name) =>
    [1, 2, 3].map((depth) => read(service, { ...defaultSnapshot(id(name)), depth })),
  );
  const commits = (await Promise.all(all)).map(({ commit }) => commit);
  expect(new Set(commits).size).toBe(1);
  await service.close({ drain: true });
  expect(await readdir(join(dataDir, 'mirrors'))).toEqual([]);
});

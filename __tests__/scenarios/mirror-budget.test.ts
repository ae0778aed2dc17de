import { readdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { SnapshotService } from '../../lib/index.js';
import { type FreshRepository, freshRepository, next, read } from '../support/fresh-repository.js';
import { mirrorNames } from '../support/nothing-left.js';
import { buildSmall } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);
const NAMES = ['org/a', 'org/b', 'org/c'];

let repository: FreshRepository;

beforeEach(async () => {
  repository = await freshRepository({ directory, defer });
  for (const name of NAMES) await buildSmall(join(repository.bare, `../../${name}.git`));
});

const id = (path: string) => ({ ...repository.id, path });

/** Bytes of one mirror: all are the same. */
async function bytesOfOne(service: SnapshotService): Promise<number> {
  const [status] = await service.repositories();
  return status?.mirror?.bytes ?? 0;
}

async function kept(): Promise<string[]> {
  const names = await mirrorNames(repository.dataDir);
  return names.map((name) => /org-[abc]/.exec(name)?.[0].replace('-', '/') ?? name).sort();
}

/** Fills a data directory with mirrors that were last used in this order, and a minute apart. */
async function fill(order: readonly string[]): Promise<number> {
  const first = repository.start();
  for (const name of order) await read(first, id(name));
  const bytes = await bytesOfOne(first);
  await first.close({ running: 'wait' });
  for (const directoryName of await mirrorNames(repository.dataDir)) {
    const index = order.findIndex((name) => directoryName.includes(name.replace('/', '-')));
    const time = Date.now() / 1000 - 600 + 60 * index;
    const mirror = join(repository.dataDir, 'mirrors', directoryName);
    await utimes(join(mirror, 'express-git-snapshot/used'), time, time);
  }
  return bytes;
}

test('a start evicts those that were used longest ago', async () => {
  const bytes = await fill(['org/c', 'org/a', 'org/b']);
  await repository.start({ limits: { maxMirrorBytes: 2 * bytes } }).started;
  expect(await kept()).toEqual(['org/a', 'org/b']);
});

test('a request for what is stored is a use, also for the next start', async () => {
  const bytes = await fill(['org/c', 'org/a', 'org/b']);
  const second = repository.start({ freshness: { maxAge: 0x7fff_ffff } });
  await second.started;
  await read(second, id('org/c'));
  await second.close({ running: 'wait' });
  await repository.start({ limits: { maxMirrorBytes: bytes } }).started;
  expect(await kept()).toEqual(['org/c']);
});

test('a clone beyond the budget has the one evicted that was used longest ago', async () => {
  const bytes = await fill(['org/c', 'org/a']);
  const service = repository.start({ limits: { maxMirrorBytes: 2 * bytes } });
  await service.started;
  const evicted = next(service, 'mirrorEvicted');
  await read(service, id('org/b'));
  expect(await evicted).toEqual([{ repository: id('org/c'), bytes }]);
  await service.close({ running: 'wait' });
  expect(await kept()).toEqual(['org/a', 'org/b']);
});

test('one in use is not evicted, and is when it is not any more', async () => {
  const service = repository.start({ limits: { maxMirrorBytes: 0 } });
  const gate = repository.upstream.gate('org/a', 20);
  const reading = read(service, id('org/a'));
  await gate.reached;
  await Promise.all(['org/b', 'org/c'].map((name) => read(service, id(name))));
  gate.release();
  expect((await reading).bytes.length).toBeGreaterThan(0);
  await service.close({ running: 'wait' });
  expect(await kept()).toEqual([]);
});

test('without a budget each generation still has its mirror', async () => {
  const service = repository.start({ limits: { maxMirrorBytes: 0 } });
  const all = NAMES.flatMap((name) =>
    [1, 2, 3].map((depth) => read(service, { ...id(name), depth })),
  );
  const commits = (await Promise.all(all)).map(({ commit }) => commit);
  expect(new Set(commits).size).toBe(1);
  await service.close({ running: 'wait' });
  expect(await readdir(join(repository.dataDir, 'mirrors'))).toEqual([]);
});

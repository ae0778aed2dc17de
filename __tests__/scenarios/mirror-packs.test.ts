/**
 * @needs tar zstd
 */
import fs, { readdir } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import type { SnapshotOptions } from '../../lib/index.js';
import { FULL_PACKS } from '../../lib/mirror/choose-repack.js';
import { rounds } from '../support/effort.js';
import { fakeDate } from '../support/fake-date.js';
import {
  counter,
  type FreshRepository,
  freshRepository,
  next,
  read,
} from '../support/fresh-repository.js';
import { fsck } from '../support/fsck.js';
import { git, run } from '../support/run.js';
import { push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);
const MINUTE = 60_000;
/** The clone's 8 objects pass, and the fetch's; not both. */
const TOO_FEW_OBJECTS = { maxObjects: 10 };
const STRICT = { staleWhileRevalidate: 0, maxAge: 0, checkInterval: 0 } as const;

let repository: FreshRepository;

beforeEach(async () => {
  repository = await freshRepository({ directory, defer });
});

async function packCount(): Promise<number> {
  const names = await readdir(join(await repository.mirror(), 'objects/pack'));
  return names.filter((name) => name.endsWith('.pack')).length;
}

test('Many small fetches leave few packs, which are complete', async () => {
  const service = repository.start({ freshness: STRICT });
  await service.refresh(repository.id);
  const consolidations = counter(service, 'repack done');
  // More than a mirror may have.
  for (let i = 0; i < rounds(20, 200); i++) {
    await push(repository.bare, { files: { [`f${i}.txt`]: `${i}\n` } });
    await service.refresh(repository.id);
    expect(await packCount()).toBeLessThanOrEqual(20);
  }
  expect(consolidations()).toBeGreaterThan(0);
  await service.close({ drain: true });
  expect(await packCount()).toBeLessThan(FULL_PACKS);
  expect(await fsck(await repository.mirror())).toEqual([]);
});

test('Commits that a forced push has dropped are pruned from mirror and snapshot', async () => {
  const service = repository.start({ freshness: STRICT });
  const { commit: gone = '' } = await read(service, repository.snapshot);
  await push(repository.bare, { parents: ['refs/heads/main~1'] });
  const { bytes } = await read(service, repository.snapshot);
  await service.close({ drain: true });
  const mirror = await repository.mirror();
  expect(await fsck(mirror)).toEqual([]);
  await expect(git(mirror, 'cat-file', '-e', gone)).rejects.toThrow();
  const target = await directory();
  await run('tar', ['-xpf', '-', '-C', target, '--zstd'], { input: bytes });
  expect(await fsck(target)).toEqual([]);
  await expect(git(target, 'cat-file', '-e', gone)).rejects.toThrow();
});

/** A service that has a mirror with what no ref leads to any more, after the next refresh. */
async function startWithGarbage(limits: SnapshotOptions['limits'] = {}) {
  const first = repository.start({ freshness: STRICT });
  await read(first, repository.snapshot);
  await first.close({ drain: true });
  const files = Array.from({ length: 4 }, (_, i) => [`new${i}.txt`, `${i}\n`]);
  await push(repository.bare, { parents: ['refs/heads/main~1'], files: Object.fromEntries(files) });
  const service = repository.start({ freshness: STRICT, limits });
  await service.ready();
  return service;
}

test('A failed repack is an event, and has no other effect', async () => {
  const service = await startWithGarbage(TOO_FEW_OBJECTS);
  const failed = next(service, 'repack failed');
  const { commit } = await read(service, repository.snapshot);
  expect((await failed).error.code).toBe('LIMIT_EXCEEDED');
  expect(commit).toBe(await repository.head());
  expect((await read(service, repository.snapshot)).commit).toBe(commit);
  await service.close({ drain: true });
  const mirror = await repository.mirror();
  expect((await readdir(mirror)).filter((name) => name.includes('~'))).toEqual([]);
  expect((await fsck(mirror)).filter((line) => !line.startsWith('dangling'))).toEqual([]);
});

test('A failed repack is tried again after a minute, then after twice as long', async () => {
  const service = await startWithGarbage(TOO_FEW_OBJECTS);
  const failures = counter(service, 'repack failed');
  const refresh = async () => {
    await push(repository.bare);
    await service.refresh(repository.id);
    await service.refresh(repository.id);
    return failures();
  };
  expect(await refresh()).toBe(1);
  fakeDate(defer, MINUTE);
  expect(await refresh()).toBe(2);
  fakeDate(defer, MINUTE);
  expect(await refresh()).toBe(2);
  fakeDate(defer, MINUTE);
  expect(await refresh()).toBe(3);
});

test('A repack does not begin when the disk has no room for it', async () => {
  const service = await startWithGarbage();
  const { statfs } = fs;
  const setStatfs = (other: typeof statfs) => {
    fs.statfs = other;
    syncBuiltinESMExports();
  };
  defer(() => setStatfs(statfs));
  const full = async (path: string) => Object.assign(await statfs(path), { bavail: 1, bsize: 1 });
  setStatfs(full as typeof statfs);
  const failed = next(service, 'repack failed');
  await service.refresh(repository.id);
  expect((await failed).error).toMatchObject({
    code: 'STORAGE_FULL',
    message: expect.stringContaining('1 are free'),
  });
  expect((await read(service, repository.snapshot)).commit).toBe(await repository.head());
});

/**
 * @needs exfat ntfs
 * @one-node-version
 */
import { join } from 'node:path';
import { defaultSnapshot } from '../../lib/artifact/id.js';
import type { BudgetOptions, SnapshotService } from '../../lib/index.js';
import { counter, read } from '../support/fresh-repository.js';
import { fsck } from '../support/fsck.js';
import { HOST, leftovers } from '../support/host-app.js';
import { mirrorNames } from '../support/nothing-left.js';
import { ownRepository } from '../support/own-repository.js';
import { seededBytes } from '../support/random.js';
import { RepositoryBuilder } from '../support/repository-builder.js';
import { git } from '../support/run.js';
import { buildSmall, push } from '../support/small-repositories.js';
import { CAN_MOUNT, exFat, ntfs, overlay, readOnly, tmpfs } from './disks.js';

/*
 * `dataDir` on real file systems. These tests are skipped unless root runs them: only root can mount.
 */

const repository = ownRepository(buildSmall);
const mountable = CAN_MOUNT ? describe : describe.skip;
const AT_ONCE = { maxAge: 0, staleWhileRevalidate: 0, checkInterval: 0 };

const start = (dataDir: string, budgets: BudgetOptions = {}): Promise<SnapshotService> =>
  repository.startService({ dataDir, freshness: AT_ONCE, budgets });

/** Clones, fetches after a push, starts again, and removes the repository. */
async function useAll(dataDir: string): Promise<void> {
  const { snapshot, bare } = repository;
  const service = await start(dataDir);
  await service.ready();
  expect((await read(service, snapshot)).commit).toBe(await repository.head());
  await push(bare, { branch: 'main' });
  expect((await read(service, snapshot)).commit).toBe(await repository.head());
  await read(service, { ...snapshot, depth: 1 });
  await service.close({ drain: true });
  expect(await leftovers(dataDir)).toEqual([]);
  const mirror = repository.mirrorIn(dataDir);
  expect(await fsck(mirror)).toEqual([]);
  expect((await git(mirror, 'rev-parse', 'HEAD')).trim()).toBe(await repository.head());

  const second = await start(dataDir);
  const clones = counter(second, 'clone started');
  await push(bare, { branch: 'main' });
  expect((await read(second, snapshot)).commit).toBe(await repository.head());
  expect(clones()).toBe(0);
  await second.purge(repository.id);
  expect(await mirrorNames(dataDir)).toEqual([]);
}

mountable('A data directory', () => {
  test('on exFAT, which has no hard links and no modes, serves all', async () => {
    await useAll(join(await exFat(repository), 'data'));
  });

  test('on NTFS serves all', async () => {
    await useAll(join(await ntfs(repository), 'data'));
  });

  test('on tmpfs serves all', async () => {
    await useAll(join(await tmpfs(repository, '64m'), 'data'));
  });

  test('in the image of a container is used, and its mirrors can be removed', async () => {
    const { snapshot } = repository;
    const image = await repository.directory();
    const first = await start(join(image, 'data'));
    await read(first, snapshot);
    await first.close({ drain: true });
    const dataDir = join(await overlay(repository, image), 'data');
    const service = await start(dataDir);
    const clones = counter(service, 'clone started');
    await service.delete(snapshot);
    await read(service, snapshot);
    expect(clones()).toBe(0);
    await service.purge(repository.id);
    expect(await mirrorNames(dataDir)).toEqual([]);
    await service.close();
    await useAll(dataDir);
  });

  test('that is read-only is named at the start', async () => {
    const directory = await repository.directory();
    const service = await start(await readOnly(repository, directory));
    await expect(service.ready()).rejects.toThrow(/dataDir.*EROFS/);
  });
});

mountable('On a full disk', () => {
  const MIB = 1024 * 1024;
  const id = (name: string) => defaultSnapshot({ host: HOST, path: `large/${name}` });

  async function build(name: string, bytes: number): Promise<void> {
    const builder = await RepositoryBuilder.create(join(repository.root, `large/${name}.git`));
    builder.commit({ files: { 'noise.bin': seededBytes(name, bytes) } });
    await builder.finish();
  }

  test('the least recently used mirrors and snapshots make room for others', async () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    for (const name of names) await build(name, 3 * MIB);
    // So that only the full disk evicts.
    const budgets = { maxMirrorBytes: 2 ** 40, maxStoreBytes: 2 ** 40 };
    const service = await start(await tmpfs(repository, '24m'), budgets);
    await service.ready();
    for (const name of names) {
      const { bytes } = await read(service, id(name));
      expect(bytes.length).toBeGreaterThan(3 * MIB);
    }
    expect((await service.statStored(id('f')))?.size).toBeGreaterThan(3 * MIB);
    expect(await service.statStored(id('a'))).toBeUndefined();
  });

  test('a repository that is larger than the disk is answered with STORAGE_FULL', async () => {
    await build('huge', 12 * MIB);
    await build('small', MIB);
    const service = await start(await tmpfs(repository, '10m'));
    await read(service, id('small'));
    await expect(read(service, id('huge'))).rejects.toMatchObject({ code: 'STORAGE_FULL' });
  });
});

/**
 * @needs tar zstd
 * @one-node-version
 */
import { appendFile, cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeTarHeader } from '../../lib/archive/tar.js';
import { rawFrame } from '../client/archives.js';
import { cloneWithGit } from '../support/clone.js';
import { counter, read } from '../support/fresh-repository.js';
import { fsck } from '../support/fsck.js';
import { ownRepository } from '../support/own-repository.js';
import { seededBytes } from '../support/random.js';
import { git, run } from '../support/run.js';
import { buildSmall, push } from '../support/small-repositories.js';
import { replicaScene } from './replica-scene.js';

/*
 * Stored snapshots from which no mirror can be made.
 */

const repository = ownRepository(buildSmall);
const { directory } = repository;
const scene = replicaScene(repository);

/** Packs a clone with tar and zstd. @param spoil damages the clone in its directory first. */
async function packed(spoil: (clone: string) => Promise<void>): Promise<Buffer> {
  const clone = join(await directory(), 'clone');
  await cloneWithGit(repository.bare, clone);
  await git(clone, 'pack-refs', '--all');
  await spoil(clone);
  const file = join(await directory(), 'clone.tar.zst');
  await run('sh', ['-c', 'tar --sort=name -cf - -C "$1" . | zstd -qo "$2"', 'sh', clone, file]);
  return await readFile(file);
}

/** Removes all other objects from a clone. */
async function packOnly(clone: string, oids: readonly string[]): Promise<void> {
  const pack = join(clone, '.git/objects/pack');
  await git(clone, 'repack', '-adq');
  const [old] = (await readdir(pack)).filter((name) => name.endsWith('.pack'));
  await run('git', ['pack-objects', '-q', `${pack}/pack`], { cwd: clone, input: oids.join('\n') });
  for (const ending of ['pack', 'idx', 'rev']) {
    await rm(join(pack, `${old}`.replace(/pack$/, ending)), { force: true });
  }
}

function flipped(bytes: Buffer, at: number): Buffer {
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  return bytes;
}

test.each<[string, (bytes: Buffer) => Buffer | Promise<Buffer>]>([
  ['damaged in a pack', (bytes) => flipped(bytes, bytes.indexOf('PACK') + 30)],
  ['cut off', (bytes) => bytes.subarray(0, bytes.indexOf('PACK') + 40)],
  ['no archive', () => Buffer.from('not an archive')],
  ['empty', () => Buffer.alloc(0)],
  [
    'without a file of an earlier commit',
    () =>
      packed(async (clone) => {
        const lost = await git(clone, 'rev-parse', 'main~1:README.md');
        const objects = await git(clone, 'rev-list', '--objects', '--all', '--no-object-names');
        await packOnly(
          clone,
          objects.split('\n').filter((oid) => oid !== lost),
        );
      }),
  ],
  [
    'with the same pack twice',
    () =>
      packed(async (clone) => {
        const pack = join(clone, '.git/objects/pack');
        const [name] = (await readdir(pack)).filter((one) => one.endsWith('.pack'));
        await cp(join(pack, `${name}`), join(pack, `pack-${'0'.repeat(40)}.pack`));
      }),
  ],
  [
    'with a thousand entries for .git',
    async () => {
      const header = encodeTarHeader({
        path: './.git/',
        kind: 'directory',
        mode: 0o755,
        mtime: 1,
        size: 0,
      });
      const headers = rawFrame(Buffer.concat(Array.from({ length: 1000 }, () => header)));
      return Buffer.concat([headers, await packed(async () => {})]);
    },
  ],
  [
    'with a ref to a missing object',
    () =>
      packed(async (clone) => {
        const refs = join(clone, '.git/packed-refs');
        await appendFile(refs, `${'1'.repeat(40)} refs/tags/zzz\n`);
      }),
  ],
  [
    'with too many bytes beside its packs',
    () => packed((clone) => writeFile(join(clone, '.git/a'), Buffer.alloc(70 << 20))),
  ],
  [
    'with too many entries',
    () =>
      packed(async (clone) => {
        await mkdir(join(clone, '.git/a'));
        for (let i = 0; i < 1000; i++) await writeFile(join(clone, `.git/a/${i}`), '');
      }),
  ],
  [
    'shallow',
    () => packed((clone) => writeFile(join(clone, '.git/shallow'), `${'0'.repeat(40)}\n`)),
  ],
])(
  'A snapshot that is %s is not used for a mirror: all objects are fetched, and the snapshot is built again',
  async (_, change) => {
    const { bytes } = await scene.stored();
    await scene.storeInstead(change);
    const { service, cloned, failed, dataDir } = await scene.replica();
    expect((await scene.variant(service)).commit).toBe(await repository.head());
    expect(cloned).toMatchObject([{ seededBytes: 0 }]);
    expect(failed).toHaveLength(1);
    expect(await fsck(repository.mirrorIn(dataDir))).toEqual([]);
    expect((await read(service, repository.snapshot)).bytes.equals(bytes)).toBe(true);
  },
);

/** A snapshot with more packs, each with an object of one of these sizes in bytes. */
const withPacks = (...sizes: number[]) =>
  packed(async (clone) => {
    for (const [i, size] of sizes.entries()) {
      const input = seededBytes(`${i}`, size);
      const oid = await run('git', ['hash-object', '-w', '--stdin'], { cwd: clone, input });
      const pack = ['pack-objects', '-q', '.git/objects/pack/pack'];
      await run('git', pack, { cwd: clone, input: oid });
    }
  });

test('A snapshot that is beyond a limit is not used for a mirror, and stays stored', async () => {
  await scene.stored();
  await scene.storeInstead(() => withPacks(200_000));
  const { service, cloned, failed } = await scene.replica({ limits: { maxPackBytes: 150_000 } });
  const before = await service.statStored(repository.snapshot);
  await scene.variant(service);
  expect(cloned).toMatchObject([{ seededBytes: 0 }]);
  expect(failed).toMatchObject([{ error: { code: 'LIMIT_EXCEEDED' } }]);
  expect(await service.statStored(repository.snapshot)).toEqual(before);
});

test('A snapshot that has only a part of the upstream’s present objects is not used for a mirror, and stays stored', async () => {
  await scene.stored();
  await scene.storeInstead(() =>
    packed(async (clone) => {
      const [now, before] = await Promise.all(
        ['main', 'main~1'].map((name) => git(clone, 'rev-parse', name)),
      );
      const objects = await git(clone, 'rev-list', '--objects', '--no-object-names', 'main~1');
      await packOnly(clone, [...objects.split('\n'), `${now}`]);
      const refs = join(clone, '.git/packed-refs');
      await writeFile(refs, `${before} refs/remotes/origin/main\n`);
    }),
  );
  const { service, cloned, failed, dataDir } = await scene.replica();
  const before = await service.statStored(repository.snapshot);
  await scene.variant(service);
  expect(cloned).toMatchObject([{ seededBytes: 0 }]);
  expect(failed).toHaveLength(1);
  expect(await fsck(repository.mirrorIn(dataDir))).toEqual([]);
  expect(await service.statStored(repository.snapshot)).toEqual(before);
});

test('A snapshot whose packs are each within the limit is used for a mirror', async () => {
  await scene.stored();
  await scene.storeInstead(() => withPacks(100_000, 100_000));
  const { service, cloned, failed } = await scene.replica({ limits: { maxPackBytes: 150_000 } });
  await scene.variant(service);
  expect(failed).toEqual([]);
  expect(cloned[0]?.seededBytes).toBeGreaterThan(200_000);
});

test('A new snapshot replaces a damaged one at once, also with staleWhileRevalidate 0', async () => {
  await scene.stored();
  await scene.storeInstead((bytes) => flipped(bytes, bytes.indexOf('PACK') + 30));
  const commit = await push(repository.bare);
  const { service } = await scene.ownReplica({ freshness: { staleWhileRevalidate: 0, maxAge: 0 } });
  const builds = counter(service, 'build done');
  expect((await read(service, repository.snapshot)).commit).toBe(commit);
  expect((await service.statStored(repository.snapshot))?.commit).toBe(commit);
  await service.close({ drain: true });
  expect(builds()).toBe(1);
});

test('A damaged snapshot leaves nothing behind on disk', () => scene.end());

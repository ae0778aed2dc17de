/**
 * @one-node-version
 */
import { PassThrough } from 'node:stream';
import type { MemoryStore } from '../../lib/index.js';
import type { Fault } from '../support/faults.js';
import { next, read } from '../support/fresh-repository.js';
import { fsck } from '../support/fsck.js';
import { expectNothingLeft } from '../support/nothing-left.js';
import { ownRepository } from '../support/own-repository.js';
import { seededBytes } from '../support/random.js';
import { git } from '../support/run.js';
import { buildSmall, push } from '../support/small-repositories.js';
import { replicaScene } from './replica-scene.js';

/*
 * Mirrors that are made from a stored snapshot, by a service that has an empty disk and a filled store.
 */

const repository = ownRepository(buildSmall);
const { defer } = repository;
const scene = replicaScene(repository);
const { store } = scene;

test('A mirror of a stored snapshot fetches only the objects that the snapshot lacks', async () => {
  await push(repository.bare, { files: { 'large.bin': seededBytes('large', 500_000) } });
  await push(repository.bare, { branch: 'other', files: { o: 'o\n' } });
  await git(repository.bare, 'tag', '-a', '-m', 'Of a tag', 'annotated');
  await scene.stored();
  const commit = await push(repository.bare, { files: { 'new.txt': 'new\n' } });
  await git(repository.bare, 'branch', '-D', 'other');

  const { service, cloned, failed, dataDir } = await scene.ownReplica({});
  expect((await read(service, repository.snapshot)).source).toBe('store');
  expect(cloned).toEqual([]);
  expect((await scene.variant(service)).commit).toBe(commit);
  const [event] = cloned;
  expect(event?.packBytes).toBeLessThan(2_000);
  expect(event?.objects).toBe(3);
  expect(event?.seededBytes).toBeGreaterThan(500_000);
  expect(failed).toEqual([]);
  const mirror = repository.mirrorIn(dataDir);
  const refs = (where: string) => git(where, 'for-each-ref', '--format=%(refname) %(objectname)');
  expect(await refs(mirror)).toBe(await refs(repository.bare));
  await service.close({ drain: true });
  expect((await fsck(mirror)).filter((line) => !line.startsWith('dangling'))).toEqual([]);
  await expectNothingLeft(dataDir, repository.upstream);
});

test('A commit that the upstream has dropped is not served from a mirror of an older snapshot, and is removed from it', async () => {
  const secret = await push(repository.bare, { files: { secret: 'secret\n' } });
  await scene.stored();
  await git(repository.bare, 'update-ref', 'refs/heads/main', 'main~1');
  const { service, dataDir } = await scene.replica();
  const consolidated = next(service, 'repack done', repository.id);
  await scene.variant(service);
  await service.refresh(repository.id);
  await consolidated;
  const mirror = repository.mirrorIn(dataDir);
  await expect(git(mirror, 'cat-file', '-e', secret)).rejects.toThrow();
});

test.each<Fault>([
  { kind: 'not-git' },
  { kind: 'flip', at: 40 },
  { kind: 'truncate', after: 60 },
  { kind: 'wrong-trailer' },
])('An upstream with the fault %p leaves a stored snapshot as it is', async (fault) => {
  await scene.stored();
  await push(repository.bare, { files: { 'new.txt': 'new\n' } });
  const { service } = await scene.replica({ freshness: { negativeCacheTtl: 0 } });
  const before = await service.statStored(repository.snapshot);
  repository.upstream.fault(repository.path, fault);
  await expect(scene.variant(service)).rejects.toMatchObject({ code: 'UPSTREAM_INVALID' });
  expect(await service.statStored(repository.snapshot)).toEqual(before);
});

describe('A store that stalls', () => {
  /** Replaces how the store opens snapshots. */
  function openInstead(open: MemoryStore['open']): void {
    const plain = store.open.bind(store);
    defer(() => {
      store.open = plain;
    });
    store.open = async (key, options) =>
      key.endsWith('/snapshot') ? await open(key, options) : await plain(key, options);
  }

  /** Milliseconds. In this thread a timer with this delay fires at once; in worker threads, after hours. */
  function atOnce(): number {
    const milliseconds = 12_345_678;
    const { setTimeout } = globalThis;
    defer(() => {
      globalThis.setTimeout = setTimeout;
    });
    const early = (callback: () => void, delay?: number) =>
      setTimeout(callback, delay === milliseconds ? 0 : delay);
    globalThis.setTimeout = Object.assign(early, setTimeout);
    return milliseconds;
  }

  test('while it sends a snapshot does not delay the clone: all objects are fetched', async () => {
    await scene.stored();
    const timeouts = { idleTimeout: atOnce() };
    const { service, cloned, failed, dataDir } = await scene.ownReplica({ timeouts });
    const bodies: PassThrough[] = [];
    const plain = store.open.bind(store);
    openInstead(async (...about) => {
      const opened = await plain(...about);
      const body = new PassThrough();
      body.write(opened?.body.read(100));
      opened?.body.destroy();
      bodies.push(body);
      return opened && { ...opened, body };
    });
    expect((await scene.variant(service)).commit).toBe(await repository.head());
    expect(cloned).toMatchObject([{ seededBytes: 0 }]);
    expect(failed).toMatchObject([{ error: { code: 'STORE_FAILED' } }]);
    expect(bodies).toMatchObject([{ destroyed: true }]);
    await service.close({ drain: true });
    await expectNothingLeft(dataDir, repository.upstream);
  });

  test.each([
    ['when it opens one', () => new Promise<never>(() => {})],
    [
      'when it sends one',
      async () => {
        const object = {
          key: '',
          size: 1,
          revision: '',
          storedAt: 0,
          metadata: {},
        };
        return { ...object, body: new PassThrough() };
      },
    ],
  ])('%s delays a clone until the deadline for the clone', async (_, open) => {
    await scene.stored();
    const { service, dataDir } = await scene.ownReplica({ timeouts: { fetchTimeout: 200 } });
    openInstead(open);
    await expect(scene.variant(service)).rejects.toMatchObject({ code: 'UPSTREAM_TIMEOUT' });
    await service.close();
    await expectNothingLeft(dataDir, repository.upstream);
  });
});

test('A mirror of a stored snapshot leaves nothing behind on disk', () => scene.end());

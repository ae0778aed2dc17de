/**
 * @needs tar zstd
 * @one-node-version
 */

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { defaultSnapshot } from '../../lib/artifact/id.js';
import type { SnapshotService } from '../../lib/index.js';
import { cloneWithGit } from '../support/clone.js';
import { expectSameCheckout } from '../support/compare.js';
import { rounds, seedOf } from '../support/effort.js';
import { freshRepository, read } from '../support/fresh-repository.js';
import { fsck } from '../support/fsck.js';
import { leftovers } from '../support/host-app.js';
import { SeededRandom } from '../support/random.js';
import { pushAtRandom } from '../support/random-push.js';
import { git, run } from '../support/run.js';
import { listen } from '../support/service-events.js';
import { push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);
const PUSHES = rounds(50, 1000);
const LOOKED_AT = 25;

async function extract(bytes: Buffer): Promise<string> {
  const target = await directory();
  await run('tar', ['-xpf', '-', '-C', target, '--zstd'], { input: bytes });
  return target;
}

test("After each of many random pushes, mirror and snapshot are as git's own", async () => {
  const repository = await freshRepository({ directory, defer });
  const { bare, id, upstream, url } = repository;
  await push(bare, { branch: 'other' });
  const failures: unknown[] = [];
  const start = (): SnapshotService => {
    const started = repository.start({ freshness: { staleWhileRevalidate: 0, maxAge: 0 } });
    for (const name of ['fetch failed', 'repack failed', 'mirrorCorrupted'] as const) {
      listen(started, name, ({ error }: { error: unknown }) => failures.push(error));
    }
    return started;
  };
  const random = new SeededRandom(seedOf('random pushes'));
  let service = start();
  let mostPacks = 0;
  for (let i = 1; i <= PUSHES; i++) {
    const what = await pushAtRandom(bare, random);
    const { bytes, commit } = await read(service, defaultSnapshot(id));
    const head = await git(bare, 'rev-parse', 'HEAD');
    expect([what, failures, commit]).toEqual([what, [], head]);
    const mirror = await repository.mirror();
    const packs = (await readdir(join(mirror, 'objects/pack'))).filter((n) => n.endsWith('.pack'));
    mostPacks = Math.max(mostPacks, packs.length);
    if (i % LOOKED_AT !== 0) continue;
    // Files that are pruned meanwhile must not disturb git.
    await service.close({ drain: true });
    expect(await fsck(mirror)).toEqual([]);
    const refs = (where: string) =>
      git(where, 'for-each-ref', '--format=%(refname) %(objectname) %(*objectname)');
    expect(await refs(mirror)).toBe(await refs(bare));
    expect(await git(mirror, 'symbolic-ref', 'HEAD')).toBe(await git(bare, 'symbolic-ref', 'HEAD'));
    const clone = join(await directory(), 'clone');
    await cloneWithGit(`${url}.git`, clone);
    const restored = await extract(bytes);
    await expectSameCheckout(restored, clone, { originUrl: url });
    expect(await fsck(restored)).toEqual(await fsck(clone));
    expect(await leftovers(repository.dataDir)).toEqual([]);
    service = start();
  }
  expect(failures).toEqual([]);
  expect(mostPacks).toBeLessThanOrEqual(20);
  expect(upstream.uploadPacks(repository.path)).toBeLessThanOrEqual(PUSHES + 1);
});

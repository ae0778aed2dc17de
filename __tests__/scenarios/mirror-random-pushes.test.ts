import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { createSnapshotService, type SnapshotService } from '../../lib/index.js';
import { cloneWithGit } from '../support/clone.js';
import { expectSameCheckout } from '../support/compare.js';
import { fsck } from '../support/fsck.js';
import { leftovers } from '../support/host-app.js';
import { SeededRandom } from '../support/random.js';
import { pushAtRandom } from '../support/random-push.js';
import { git, run } from '../support/run.js';
import { buildSmall, push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';
import { startUpstream, type Upstream } from '../support/upstream.js';

const shared = cleanup(afterAll);
const { directory, defer } = cleanup(afterEach);
const PATH = 'org/busy';
const repository = { host: 'git.test', path: PATH };
const SEED = 20;
const PUSHES = 200;
const LOOKED_AT = 25;

let upstream: Upstream;
let bare: string;

beforeAll(async () => {
  const root = await shared.directory();
  bare = join(root, `${PATH}.git`);
  await buildSmall(bare);
  await push(bare, { branch: 'other' });
  upstream = await startUpstream({ root });
  shared.defer(() => upstream.close());
});

async function extract(bytes: Buffer): Promise<string> {
  const target = await directory();
  await run('tar', ['-xpf', '-', '-C', target, '--zstd'], { input: bytes });
  return target;
}

async function mirrorOf(dataDir: string): Promise<string> {
  const [name = ''] = await readdir(join(dataDir, 'mirrors'));
  return join(dataDir, 'mirrors', name);
}

function start(dataDir: string, failures: unknown[]): SnapshotService {
  const service = createSnapshotService({
    dataDir,
    hosts: { 'git.test': { baseUrl: upstream.url, allowPrivateAddresses: true } },
    freshness: { mode: 'strict', maxAge: 0 },
  });
  defer(() => service.close());
  service.events.on('refreshFailed', ({ error }) => failures.push(error));
  service.events.on('consolidationFailed', ({ error }) => failures.push(error));
  service.events.on('mirrorBroken', ({ error }) => failures.push(error));
  return service;
}

test(`${PUSHES} random pushes with a fetch after each leave mirror and snapshots as git's`, async () => {
  const dataDir = await directory();
  const failures: unknown[] = [];
  let service = start(dataDir, failures);
  const random = new SeededRandom(SEED);
  let mostPacks = 0;
  for (let i = 1; i <= PUSHES; i++) {
    const what = await pushAtRandom(bare, random);
    const snapshot = await service.get(repository);
    const bytes = await buffer(snapshot.body);
    const head = await git(bare, 'rev-parse', 'HEAD');
    expect([what, failures, snapshot.commit]).toEqual([what, [], head]);
    const mirror = await mirrorOf(dataDir);
    const packs = (await readdir(join(mirror, 'objects/pack'))).filter((n) => n.endsWith('.pack'));
    mostPacks = Math.max(mostPacks, packs.length);
    if (i % LOOKED_AT !== 0) continue;
    // What is removed behind the scenes must not disturb git.
    await service.close({ running: 'wait' });
    expect(await fsck(mirror)).toEqual([]);
    const refs = (where: string) =>
      git(where, 'for-each-ref', '--format=%(refname) %(objectname) %(*objectname)');
    expect(await refs(mirror)).toBe(await refs(bare));
    expect(await git(mirror, 'symbolic-ref', 'HEAD')).toBe(await git(bare, 'symbolic-ref', 'HEAD'));
    const clone = join(await directory(), 'clone');
    await cloneWithGit(`${upstream.url}/${PATH}.git`, clone);
    const restored = await extract(bytes);
    await expectSameCheckout(restored, clone, { originUrl: `${upstream.url}/${PATH}` });
    expect(await fsck(restored)).toEqual(await fsck(clone));
    expect(await leftovers(dataDir)).toEqual([]);
    service = start(dataDir, failures);
  }
  expect(failures).toEqual([]);
  expect(mostPacks).toBeLessThanOrEqual(20);
  expect(upstream.uploadPacks(PATH)).toBeLessThanOrEqual(PUSHES + 1);
}, 240_000);

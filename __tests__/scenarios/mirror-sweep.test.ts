import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { defaultSnapshot } from '../../lib/artifact/id.js';
import { temporaryName } from '../../lib/fs/temporary.js';
import type { SnapshotOptions } from '../../lib/index.js';
import { refsPath, revisionDirectory, revisionPath } from '../../lib/mirror/disk/layout.js';
import { publishRevision, readRevision } from '../../lib/mirror/disk/revision-file.js';
import { Mirror } from '../../lib/mirror/mirror.js';
import { fakeDate } from '../support/fake-date.js';
import { counter, read } from '../support/fresh-repository.js';
import { fsck } from '../support/fsck.js';
import { HOST } from '../support/host-app.js';
import { mirrorNames } from '../support/nothing-left.js';
import { ownRepository } from '../support/own-repository.js';
import { buildSmall, push } from '../support/small-repositories.js';

const HOUR = 60 * 60_000;

const repository = ownRepository();
const { defer } = repository;
/** With a mirror of two packs; each test has a copy. */
let template: string;
let bare: string;
let id: { host: string; path: string };
let dataDir: string;
let mirror: string;
let before: string[];

beforeAll(async () => {
  id = { host: HOST, path: 'org/repo' };
  bare = join(repository.root, 'org/repo.git');
  await buildSmall(bare);
  const { router, dataDir } = await repository.startSharedApp();
  template = dataDir;
  await read(router.service, defaultSnapshot(id));
  await push(bare);
  await router.service.refresh(id);
  await router.service.close({ drain: true });
});

beforeEach(async () => {
  dataDir = await repository.directory();
  await cp(template, dataDir, { recursive: true });
  const [name = ''] = await mirrorNames(dataDir);
  mirror = join(dataDir, 'mirrors', name);
  before = await all();
});

const start = (freshness?: SnapshotOptions['freshness']) =>
  repository.startService({ dataDir, ...(freshness && { freshness }) });

async function all(): Promise<string[]> {
  return (await readdir(mirror, { recursive: true })).sort();
}

async function restart(): Promise<void> {
  const service = await start();
  await service.listRepositories(); // waits until the start has found all mirrors
  await service.close();
}

/** Files of a revision that is not the current one: of a crash before the publication, or after it. */
async function leaveOrphans(): Promise<void> {
  const orphan = `pack-${'0'.repeat(40)}`;
  for (const ending of ['.pack', '.idx']) {
    await writeFile(join(mirror, 'objects/pack', orphan + ending), 'orphan');
  }
  await writeFile(refsPath(mirror, '0'.repeat(64)), '');
}

test('A replaced revision leaves only the files that the current one names', async () => {
  const files = await readdir(revisionDirectory(mirror));
  expect(files.filter((name) => name !== 'used')).toHaveLength(2);
  expect(before.filter((name) => name.endsWith('.pack'))).toHaveLength(2);
  expect(await fsck(mirror)).toEqual([]);
});

test('A start removes older revisions', async () => {
  await cp(revisionPath(mirror, 2), revisionPath(mirror, 1));
  await restart();
  expect(await all()).toEqual(before);
});

test('A start removes packs and refs that no revision names, when they are an hour old', async () => {
  await leaveOrphans();
  const littered = await all();
  await restart();
  expect(await all()).toEqual(littered);
  fakeDate(defer, HOUR + 1000);
  await restart();
  expect(await all()).toEqual(before);
});

test('Files that a crash left just before a start are removed later', async () => {
  await leaveOrphans();
  const service = await start();
  await service.refresh(id);
  fakeDate(defer, HOUR + 1000);
  await service.refresh(id);
  await service.close({ drain: true });
  expect(await all()).toEqual(before);
});

test('Files that are being read stay until they have been read', async () => {
  const earlier = await readRevision(mirror);
  if (earlier === undefined) throw new Error('there is no revision');
  const open = new Mirror(id, mirror);
  await open.ensureReady(async () => ({ revision: earlier, bytes: 0 }));
  const lease = open.lease(() => {});
  const next = { ...earlier, packs: earlier.packs.slice(1) };
  const later = await publishRevision(mirror, earlier.number, next);
  if (later === undefined) throw new Error('nothing was published');
  open.advance(later);
  const packs = async () => (await all()).filter((name) => name.endsWith('.pack')).length;
  fakeDate(defer, HOUR + 1000);
  await open.collectGarbage();
  expect(await packs()).toBe(2);
  lease.release();
  await open.collectGarbage();
  expect(await packs()).toBe(1);
});

test('A start writes the refs for git that a crash prevented', async () => {
  const shown = () =>
    Promise.all(['HEAD', 'packed-refs'].map((name) => readFile(join(mirror, name))));
  const current = await shown();
  await writeFile(join(mirror, 'HEAD'), 'ref: refs/heads/other\n');
  await restart();
  expect(await shown()).toEqual(current);
  await writeFile(join(mirror, 'packed-refs'), '');
  await restart();
  expect(await shown()).toEqual(current);
});

test('A start removes the unfinished fetches of dead processes, but not of living ones', async () => {
  const living = temporaryName('incoming');
  const dead = temporaryName('incoming').replace(`~${process.pid}~`, '~999999999~');
  for (const name of [living, dead]) {
    await mkdir(join(mirror, name));
    await writeFile(join(mirror, name, 'pack-1.pack'), 'half');
  }
  await restart();
  const left = (await readdir(mirror)).filter((name) => name.startsWith('incoming'));
  expect(left).toEqual([living]);
});

test('A mirror can be used despite files that a crash left', async () => {
  await leaveOrphans();
  const service = await start({ staleWhileRevalidate: 0, maxAge: 0 });
  const broken = counter(service, 'mirrorCorrupted');
  const commit = await push(bare, { files: { 'more.txt': 'more\n' } });
  expect((await read(service, defaultSnapshot(id))).commit).toBe(commit);
  expect(broken()).toBe(0);
});

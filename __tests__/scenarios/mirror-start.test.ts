import {
  cp,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { defaultSnapshot } from '../../lib/artifact/id.js';
import { revisionPath } from '../../lib/mirror/disk/layout.js';
import { counter, next, read } from '../support/fresh-repository.js';
import { HOST } from '../support/host-app.js';
import { mirrorNames } from '../support/nothing-left.js';
import { ownRepository } from '../support/own-repository.js';
import { run } from '../support/run.js';
import { buildSmall, push } from '../support/small-repositories.js';

const PATH = 'org/repo';
const id = { host: HOST, path: PATH };

const repository = ownRepository();
/** With a mirror; each test has a copy. */
let template: string;
let dataDir: string;
let mirror: string;
let clones: number;

beforeAll(async () => {
  await buildSmall(join(repository.root, `${PATH}.git`));
  const app = await repository.startSharedApp();
  template = app.dataDir;
  await read(app.router.service, defaultSnapshot(id));
  await app.router.service.close({ drain: true });
});

beforeEach(async () => {
  dataDir = await repository.directory();
  await cp(template, dataDir, { recursive: true });
  const [name = ''] = await mirrorNames(dataDir);
  mirror = join(dataDir, 'mirrors', name);
  clones = repository.upstream.uploadPacks(PATH);
});

const start = () => repository.startService({ dataDir, freshness: { negativeCacheTtl: 0 } });

test('A mirror that cannot be read for the moment is left as it is, and others are served', async () => {
  const other = { ...id, path: 'org/other' };
  await buildSmall(join(repository.root, 'org/other.git'));
  const revision = revisionPath(mirror, 1);
  await rename(revision, `${revision}.kept`);
  // Reading it fails with EIO.
  await symlink('/proc/self/mem', revision);
  const service = await start();
  const broken = next(service, 'mirrorCorrupted');
  await service.ready();
  expect(await broken).toMatchObject({ repository: undefined, error: { code: 'INTERNAL' } });
  expect((await read(service, defaultSnapshot(other))).source).toBe('build');

  await service.delete(defaultSnapshot(id));
  const failure = { name: 'SnapshotError', code: 'INTERNAL' };
  await expect(service.get(defaultSnapshot(id))).rejects.toMatchObject(failure);
  await expect(
    service.isHead({ kind: 'bundle', repository: id, base: 'a'.repeat(40) }),
  ).rejects.toMatchObject(failure);
  await rename(`${revision}.kept`, revision);
  await read(service, defaultSnapshot(id));
  expect(repository.upstream.uploadPacks(PATH)).toBe(clones);
});

test('A mirror whose files another process replaces meanwhile is not taken for damaged', async () => {
  const path = revisionPath(mirror, 1);
  const text = await readFile(path, 'utf8');
  await rm(path);
  await run('mkfifo', [path]);
  const service = await start();
  const broken = counter(service, 'mirrorCorrupted');
  // Opens when the service reads the pipe. By then, the service has found no later revision.
  const end = await open(path, 'w');
  await writeFile(revisionPath(mirror, 2), text);
  await end.writeFile(text.replace(/pack-[0-9a-f]{40}/, `pack-${'0'.repeat(40)}`));
  await end.close();
  await service.ready();
  expect(broken()).toBe(0);
  await service.delete(defaultSnapshot(id));
  await read(service, defaultSnapshot(id));
  expect(repository.upstream.uploadPacks(PATH)).toBe(clones);
});

test('The directory of mirrors is created again when it is gone', async () => {
  const service = await start();
  await service.ready();
  await rm(join(dataDir, 'mirrors'), { recursive: true });
  await service.delete(defaultSnapshot(id));
  await read(service, defaultSnapshot(id));
  expect((await mirrorNames(dataDir)).map((name) => join(dataDir, 'mirrors', name))).toEqual([
    mirror,
  ]);
});

test('The data directory is created again when it is gone', async () => {
  const service = await start();
  await service.ready();
  await rm(dataDir, { recursive: true });
  expect((await read(service, defaultSnapshot(id))).source).toBe('build');
  expect((await read(service, defaultSnapshot(id))).source).toBe('store');
  expect(await mirrorNames(dataDir)).toHaveLength(1);
});

test('A mirror is used before the other mirrors were looked at', async () => {
  const other = join(dataDir, 'mirrors/another.git/express-git-snapshot');
  await mkdir(other, { recursive: true });
  const revision = join(other, '1.json');
  await run('mkfifo', [revision]);
  const service = await start();
  await service.ready();
  const looksEnded = service.listRepositories();
  await service.delete(defaultSnapshot(id));
  await read(service, defaultSnapshot(id));
  expect(repository.upstream.uploadPacks(PATH)).toBe(clones);
  expect((await service.status(id)).mirror).toMatchObject({ state: 'ready' });
  // Opens when the service reads the pipe. The next look finds that it is no mirror.
  const end = await open(revision, 'w');
  await rm(revision);
  await end.close();
  expect(await looksEnded).toHaveLength(1);
});

test('A mirror whose revisions are directories, for want of hard links, is used and fetched', async () => {
  const path = revisionPath(mirror, 1);
  const text = await readFile(path);
  await rm(path);
  await mkdir(path);
  await writeFile(join(path, 'revision.json'), text);
  const service = await start();
  await push(join(repository.root, `${PATH}.git`), { branch: 'main' });
  const { commit } = await service.refresh(id);
  expect(commit).toBe((await service.status(id)).mirror?.commit);
  await service.close({ drain: true });
  expect(await readdir(join(mirror, 'express-git-snapshot'))).toContain('2.json');
});

test('A failure of the file system has a code', async () => {
  const running = await start();
  await running.ready();
  const mirrors = join(dataDir, 'mirrors');
  await running.delete(defaultSnapshot(id));
  await rm(mirrors, { recursive: true });
  await writeFile(mirrors, '');
  const failure = { name: 'SnapshotError', code: 'INTERNAL' };
  const starting = await start();
  await expect(starting.ready()).rejects.toMatchObject(failure);
  for (const service of [running, starting]) {
    await expect(service.get(defaultSnapshot(id))).rejects.toMatchObject(failure);
    await expect(service.refresh(id)).rejects.toMatchObject(failure);
    await expect(service.ensureRefs(id, { refs: new Map(), commits: [] })).rejects.toMatchObject(
      failure,
    );
    await expect(service.purge(id)).rejects.toMatchObject(failure);
  }
});

import { open, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { revisionPath } from '../../lib/mirror/revision.js';
import {
  counter,
  type FreshRepository,
  freshRepository,
  next,
  read,
} from '../support/fresh-repository.js';
import { run } from '../support/run.js';
import { buildSmall } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);
const OPTIONS = { limits: { failureMemory: 0 } };

let repository: FreshRepository;
let mirror: string;

beforeEach(async () => {
  repository = await freshRepository({ directory, defer });
  const service = repository.start(OPTIONS);
  await read(service, repository.id);
  await service.close({ running: 'wait' });
  mirror = await repository.mirror();
});

test('a mirror that cannot be read at the moment is left as it is, and others are served', async () => {
  const other = { ...repository.id, path: 'org/other' };
  await buildSmall(join(repository.bare, '../other.git'));
  const revision = revisionPath(mirror, 1);
  await rename(revision, `${revision}.kept`);
  // Reading it fails with EIO.
  await symlink('/proc/self/mem', revision);
  const service = repository.start(OPTIONS);
  const broken = next(service, 'mirrorBroken');
  await service.started;
  expect((await broken)[0]).toMatchObject({ repository: undefined, error: { code: 'INTERNAL' } });
  expect((await read(service, other)).source).toBe('generation');

  await service.delete(repository.id);
  const failure = { name: 'SnapshotError', code: 'INTERNAL' };
  await expect(service.get(repository.id)).rejects.toMatchObject(failure);
  await expect(
    service.isUpToDate({ ...repository.id, base: 'a'.repeat(40) }),
  ).rejects.toMatchObject(failure);
  await rename(`${revision}.kept`, revision);
  await read(service, repository.id);
  expect(repository.upstream.uploadPacks(repository.path)).toBe(1);
});

test('a mirror whose files another process replaces meanwhile is not taken for damaged', async () => {
  const path = revisionPath(mirror, 1);
  const text = await readFile(path, 'utf8');
  await rm(path);
  await run('mkfifo', [path]);
  const service = repository.start(OPTIONS);
  const broken = counter(service, 'mirrorBroken');
  // Opened as soon as the service reads the other end, having seen no later revision.
  const end = await open(path, 'w');
  await writeFile(revisionPath(mirror, 2), text);
  await end.writeFile(text.replace(/pack-[0-9a-f]{40}/, `pack-${'0'.repeat(40)}`));
  await end.close();
  await service.started;
  expect(broken()).toBe(0);
  await service.delete(repository.id);
  await read(service, repository.id);
  expect(repository.upstream.uploadPacks(repository.path)).toBe(1);
});

test('the directory of mirrors is made again when it is gone', async () => {
  const service = repository.start(OPTIONS);
  await service.started;
  await rm(join(repository.dataDir, 'mirrors'), { recursive: true });
  await service.delete(repository.id);
  await read(service, repository.id);
  expect(await repository.mirror()).toBe(mirror);
});

test('failures of the file system have a code', async () => {
  const running = repository.start(OPTIONS);
  await running.started;
  const mirrors = join(repository.dataDir, 'mirrors');
  await running.delete(repository.id);
  await rm(mirrors, { recursive: true });
  await writeFile(mirrors, '');
  const failure = { name: 'SnapshotError', code: 'INTERNAL' };
  const starting = repository.start(OPTIONS);
  await expect(starting.started).rejects.toMatchObject(failure);
  for (const service of [running, starting]) {
    const { id } = repository;
    await expect(service.get(id)).rejects.toMatchObject(failure);
    await expect(service.refresh(id)).rejects.toMatchObject(failure);
    await expect(service.ensureRefs(id, { refs: new Map(), commits: [] })).rejects.toMatchObject(
      failure,
    );
    await expect(service.evict(id)).rejects.toMatchObject(failure);
  }
});

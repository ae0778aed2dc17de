import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import type { SnapshotService } from '../../lib/index.js';
import { revisionPath } from '../../lib/mirror/disk/layout.js';
import { readRevision } from '../../lib/mirror/disk/revision-file.js';
import { counter, next, read } from '../support/fresh-repository.js';
import { fsck } from '../support/fsck.js';
import type { HostApp } from '../support/host-app.js';
import { ObjectList } from '../support/object-list.js';
import { ownRepository } from '../support/own-repository.js';
import { git, run } from '../support/run.js';
import { buildSmall } from '../support/small-repositories.js';

const OPTIONS = {
  freshness: { staleWhileRevalidate: 0, maxAge: 0, checkInterval: 0, negativeCacheTtl: 0 },
} as const;
/** More objects than are examined while a client waits. */
const MANY = 5001;

interface Served {
  readonly objects: ObjectList;
  readonly head: string;
  readonly refs?: Record<string, string>;
}

const repository = ownRepository(buildSmall);
let app: HostApp;
let service: SnapshotService;

beforeAll(async () => {
  app = await repository.sharedApp(OPTIONS);
  ({ service } = app.router);
});

const mirror = () => repository.mirrorIn(app.dataDir);

/** Two commits, to the first of which something may be missing. */
function history(what?: 'blob' | 'tree' | 'commit'): Served {
  const objects = new ObjectList();
  const elsewhere = new ObjectList();
  const of = (kind: typeof what) => (kind === what ? elsewhere : objects);
  const tree = of('tree').tree(['100644', 'a.txt', of('blob').blob('first\n')]);
  const first = of('commit').commit(tree);
  const head = objects.commit(objects.tree(['100644', 'a.txt', objects.blob()]), first);
  return { objects, head };
}

function makeLarge(objects: ObjectList): void {
  for (let i = 0; i < MANY; i++) objects.blob(`${i}\n`);
}

function serve({ objects, head, refs }: Served): void {
  const { path, upstream } = repository;
  upstream.heal(path);
  upstream.fault(path, { kind: 'replace-pack', ...objects.pack(head, refs) });
}

test.each(['blob', 'tree', 'commit'] as const)(
  'A clone that lacks an old %s is refused',
  async (what) => {
    serve(history(what));
    await expect(read(service, repository.snapshot)).rejects.toMatchObject({
      code: 'UPSTREAM_INVALID',
    });
    expect(existsSync(mirror())).toBe(false);
    serve(history());
    await read(service, repository.snapshot);
    expect(await fsck(mirror())).toEqual([]);
  },
);

describe('A large clone', () => {
  test('that lacks an object is removed with its artifacts, and cloned again', async () => {
    const lacking = history('blob');
    makeLarge(lacking.objects);
    serve(lacking);
    const broken = next(service, 'mirrorCorrupted', repository.id);
    const evicted = next(service, 'evicted', repository.id);
    await read(service, repository.snapshot);
    expect((await broken).error.code).toBe('UPSTREAM_INVALID');
    await evicted;
    serve(history());
    expect(await service.statStored(repository.snapshot)).toBeUndefined();
    expect((await read(service, repository.snapshot)).source).toBe('build');
    expect(await fsck(mirror())).toEqual([]);
  });

  test('that lacks an object is not cloned again while its failure is remembered', async () => {
    const freshness = { ...OPTIONS.freshness, negativeCacheTtl: 60_000 };
    const service = await repository.startService({ freshness });
    const lacking = history('blob');
    makeLarge(lacking.objects);
    serve(lacking);
    const evicted = next(service, 'evicted', repository.id);
    const clones = counter(service, 'clone started', repository.id);
    await read(service, repository.snapshot);
    await evicted;
    const failure = { code: 'UPSTREAM_INVALID', retryAfter: expect.any(Number) };
    for (let i = 0; i < 3; i++) {
      await expect(read(service, repository.snapshot)).rejects.toMatchObject(failure);
    }
    expect(clones()).toBe(1);
  });

  test('that is complete is marked as connected at the next fetch', async () => {
    const broken = counter(service, 'mirrorCorrupted', repository.id);
    const { objects, head } = history();
    makeLarge(objects);
    serve({ objects, head });
    await read(service, repository.snapshot);
    serve({ objects, head: objects.commit(objects.tree(), head) });
    await service.refresh(repository.id);
    expect(await readRevision(mirror())).toMatchObject({ isConnected: true });
    expect(broken()).toBe(0);
  });

  test('of an earlier process is checked when the service starts', async () => {
    const options = { ...OPTIONS, dataDir: await repository.directory() };
    const mirror = repository.mirrorIn(options.dataDir);
    const earlier = await repository.startService(options);
    await read(earlier, repository.snapshot);
    await earlier.close({ drain: true });
    await forget(mirror, await git(repository.bare, 'rev-parse', 'HEAD~1:'));
    const service = await repository.startService(options);
    const broken = next(service, 'mirrorCorrupted');
    const evicted = next(service, 'evicted');
    expect((await broken).error.code).toBe('UPSTREAM_INVALID');
    await evicted;
    expect(await service.statStored(repository.snapshot)).toBeUndefined();
    expect(existsSync(mirror)).toBe(false);
  });
});

/** Removes an object from a mirror, and marks the mirror as unchecked. */
async function forget(mirror: string, missing: string): Promise<void> {
  const listed = await git(mirror, 'rev-list', '--objects', '--no-object-names', '--all');
  const kept = listed.split('\n').filter((oid) => oid !== missing);
  const args = ['pack-objects', '--quiet', 'objects/pack/pack'];
  const hash = await run('git', args, { cwd: mirror, input: `${kept.join('\n')}\n` });
  const path = revisionPath(mirror, 1);
  const text = (await readFile(path, 'utf8'))
    .replace(/"pack-[0-9a-f]{40}"/, `"pack-${hash.trim()}"`)
    .replace('"isConnected": true', '"isConnected": false');
  await writeFile(path, text);
}

test('A commit that the upstream sent unasked is checked when a ref leads to it', async () => {
  const { objects, head } = history();
  serve({ objects, head });
  await read(service, repository.snapshot);
  const later = objects.commit(objects.tree(), head);
  const unasked = objects.commit(objects.tree(), new ObjectList().soundCommit());
  serve({ objects, head: later });
  await service.refresh(repository.id);
  serve({ objects, head: later, refs: { 'refs/heads/other': unasked } });
  await expect(service.refresh(repository.id)).rejects.toMatchObject({ code: 'UPSTREAM_INVALID' });
  expect(await git(mirror(), 'for-each-ref', '--format=%(objectname)')).toBe(later);
});

/**
 * @one-node-version
 */
import { fakeDate } from '../support/fake-date.js';
import { next, read } from '../support/fresh-repository.js';
import { ownRepository } from '../support/own-repository.js';
import { git } from '../support/run.js';
import { buildSmall } from '../support/small-repositories.js';

/*
 * Snapshots of a commit to a depth, which never change, of commits that were pushed away.
 */

const repository = ownRepository(buildSmall);
const { defer } = repository;
/** For which mirrors may keep what was pushed away. */
const RETENTION = 6 * 60 * 60_000;
const STALE_FOR = [24 * 60 * 60_000, 0] as const;

/** @returns a snapshot of a commit that was pushed away since. */
async function pushedAway(staleWhileRevalidate: number) {
  const service = await repository.startService({
    freshness: { staleWhileRevalidate, maxAge: 0, checkInterval: 0, negativeCacheTtl: 0 },
  });
  const id = { ...repository.snapshot, ref: await repository.head(), depth: 1 };
  await read(service, id);
  await git(repository.bare, 'update-ref', 'refs/heads/main', 'main~1');
  for (const tag of (await git(repository.bare, 'tag', '--contains', id.ref)).split('\n')) {
    if (tag !== '') await git(repository.bare, 'tag', '-d', tag);
  }
  return { service, id };
}

describe.each(STALE_FOR)('With staleWhileRevalidate %d, a commit that was pushed away', (stale) => {
  test('is served for six hours, and then no longer', async () => {
    const { service, id } = await pushedAway(stale);
    await service.refresh(repository.id);
    fakeDate(defer, RETENTION - 60_000);
    expect((await read(service, id)).source).toBe('store');
    fakeDate(defer, 60_000);
    const evicted = next(service, 'evicted', repository.id);
    expect((await read(service, id)).source).toBe('store');
    await evicted;
    await expect(read(service, id)).rejects.toMatchObject({ code: 'REF_NOT_FOUND' });
  });

  test('is still served while the upstream is down', async () => {
    const { service, id } = await pushedAway(stale);
    repository.upstream.fault(repository.path, { kind: 'status', status: 503 });
    fakeDate(defer, RETENTION);
    for (let i = 0; i < 2; i++) {
      const failed = next(service, 'fetch failed', repository.id);
      expect((await read(service, id)).source).toBe('store');
      await failed;
    }
  });

  test('is still served if the upstream gives it by its id', async () => {
    const { service, id } = await pushedAway(stale);
    await git(repository.bare, 'config', 'uploadpack.allowAnySHA1InWant', 'true');
    await service.refresh(repository.id);
    fakeDate(defer, RETENTION);
    const asked = repository.upstream.uploadPacks(repository.path);
    expect((await read(service, id)).source).toBe('store');
    await repository.upstream.waitFor((upstream) => upstream.uploadPacks(repository.path) > asked);
    expect((await read(service, id)).source).toBe('store');
  });
});

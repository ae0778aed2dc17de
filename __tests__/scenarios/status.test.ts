import type { ServiceStats } from '../../lib/index.js';
import { type FreshRepository, freshRepository, next, read } from '../support/fresh-repository.js';
import { HOST } from '../support/host-app.js';
import { listen } from '../support/service-events.js';
import { push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);
const IDLE = { running: 0, queued: 0 };
const NONE = { busy: 0, idle: 0 };
let repository: FreshRepository;

beforeEach(async () => {
  repository = await freshRepository({ directory, defer });
});

describe('The status of a repository', () => {
  test('that no client has requested is empty, and causes no check', async () => {
    const service = repository.start();
    expect(await service.status(repository.id)).toEqual({
      repository: repository.id,
      mirror: undefined,
      stored: undefined,
      isCurrent: false,
      requestedAt: undefined,
      checkedAt: undefined,
      error: undefined,
    });
    expect(repository.upstream.requests).toEqual([]);
    expect(await service.listRepositories()).toEqual([]);
  });

  test('shows its mirror, its snapshot, and whether a push has made that stale', async () => {
    const service = repository.start({ freshness: { minRebuildInterval: 60 * 60_000 } });
    const { etag } = await read(service, repository.snapshot);
    const typed = { host: HOST.toUpperCase(), path: `${repository.path}.git` };
    const status = await service.status(typed);
    const commit = await repository.head();
    expect(status).toMatchObject({
      repository: repository.id,
      mirror: { state: 'ready', commit },
      stored: { etag, commit },
      isCurrent: true,
    });
    expect(await service.listRepositories()).toEqual([status]);
    const { mirrors, store, disk } = await service.diskUsage();
    expect(mirrors.bytes).toBe(status.mirror?.bytes);
    expect(mirrors.maxBytes).toBeGreaterThan(mirrors.bytes);
    // The file of a snapshot also has its key and metadata.
    expect(store?.bytes).toBeGreaterThan(status.stored?.size ?? 0);
    expect(store?.maxBytes).toBeGreaterThan(store?.bytes ?? 0);
    expect(disk?.bytes).toBeGreaterThan(disk?.freeBytes ?? 0);

    const pushed = await push(repository.bare);
    const refreshed = next(service, 'fetch done', repository.id);
    await service.notifyPush(repository.url);
    await refreshed;
    expect(await service.status(repository.id)).toMatchObject({
      mirror: { commit: pushed },
      stored: { etag },
      isCurrent: false,
    });
  });

  test('of a host that is not allowed is not given', async () => {
    const status = repository.start().status({ host: 'elsewhere.test', path: 'org/repo' });
    await expect(status).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });
});

describe('The statistics of a service', () => {
  test('count what runs, and what waits', async () => {
    await repository.add('org/other');
    const other = { host: HOST, path: 'org/other' };
    const service = repository.start({ concurrency: { clonesPerHost: 1 } });
    expect(service.stats()).toEqual({
      repositories: 0,
      mirrors: { count: 0, bytes: 0 },
      clones: IDLE,
      fetches: IDLE,
      queries: IDLE,
      repacks: IDLE,
      builds: IDLE,
      threads: { mirrors: NONE, builds: NONE },
    });

    const gate = repository.upstream.gate(repository.path);
    const waiting = [read(service, repository.snapshot)];
    await gate.reached;
    const missed = next(service, 'miss');
    waiting.push(read(service, { ...repository.snapshot, repository: other }));
    await missed;
    while (service.stats().clones.queued === 0) await new Promise(setImmediate);
    expect(service.stats()).toMatchObject({
      clones: { running: 1, queued: 1 },
      builds: { running: 0, queued: 2 },
    });

    const writing: ServiceStats[] = [];
    listen(service, 'build started', () => writing.push(service.stats()));
    gate.release();
    await Promise.all(waiting);
    expect(writing.map(({ builds }) => builds.running)).not.toContain(0);
    const listed = await service.listRepositories();
    expect(listed.length).toBe(2);
    await service.close({ drain: true });
    expect(service.stats()).toEqual({
      repositories: 2,
      mirrors: {
        count: 2,
        bytes: listed.reduce((sum, { mirror }) => sum + (mirror?.bytes ?? 0), 0),
      },
      clones: IDLE,
      fetches: IDLE,
      queries: IDLE,
      repacks: IDLE,
      builds: IDLE,
      threads: { mirrors: NONE, builds: NONE },
    });
  });
});

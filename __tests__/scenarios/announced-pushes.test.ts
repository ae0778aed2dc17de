import { defaultSnapshot } from '../../lib/artifact/id.js';
import { checkKey } from '../../lib/artifact/key.js';
import { MemoryStore } from '../../lib/index.js';
import { setDate } from '../support/fake-date.js';
import { freshRepository, next, read } from '../support/fresh-repository.js';
import { push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';
import { WatchedLocks } from '../support/watched-locks.js';

const { directory, defer } = cleanup(afterEach);
const SECOND = 1000;

test('A push that is announced while an older check is queued is served', async () => {
  const repository = await freshRepository({ directory, defer });
  await repository.add('org/other');
  const { host, path } = repository.id;
  const other = { host, path: 'org/other' };
  const store = new MemoryStore({ maxBytes: 1e9 });
  const locks = new WatchedLocks();
  const held = new WatchedLocks(locks);
  const freshness = { maxAge: 0x7fff_ffff, checkInterval: 0 };
  const start = async (own: WatchedLocks) =>
    repository.start({ store, locks: own, dataDir: await directory(), freshness });
  const [one, two] = [await start(locks), await start(held)];
  for (const service of [one, two]) await read(service, repository.snapshot);
  await read(two, defaultSnapshot(other));
  const key = checkKey({ host, path });
  /** Resolves when the service has queued the check: that of the other repository is queued after it. */
  const announceToTwo = async () => {
    const later = held.next('wanted', checkKey({ host, path: other.path }));
    await two.notifyPush(repository.url);
    await two.notifyPush(`${repository.upstream.url}/${other.path}`);
    await later;
  };

  // The first check of one service runs, and its second one waits for it.
  const lock = held.hold(key);
  await announceToTwo();
  setDate(defer, SECOND);
  await announceToTwo();
  // The other service checks after both of them, and before the push.
  setDate(defer, SECOND);
  const asked = locks.next('released', key);
  await one.notifyPush(repository.url);
  await asked;
  const commit = await push(repository.bare);
  setDate(defer, SECOND);
  await announceToTwo();

  const before = repository.upstream.infoRefs(path);
  let open = 2;
  const answered = new Promise<void>((resolve) => {
    held.events.on('released', (released) => {
      if (released === key && --open === 0) resolve();
    });
  });
  lock.release();
  await answered;
  expect(repository.upstream.infoRefs(path)).toBe(before + 1);
  expect((await read(two, { ...repository.snapshot, depth: 1 })).commit).toBe(commit);
});

test('A stored repository that the service does not know yet is checked once per checkInterval, also while the upstream is down', async () => {
  const repository = await freshRepository({ directory, defer });
  const store = new MemoryStore({ maxBytes: 1e9 });
  const freshness = { checkInterval: 0x7fff_ffff };
  const start = async () => repository.start({ store, dataDir: await directory(), freshness });
  await read(await start(), repository.snapshot);
  const service = await start();
  repository.upstream.fault(repository.path, { kind: 'status', status: 503 });
  const before = repository.upstream.infoRefs(repository.path);
  const failed = next(service, 'fetch failed');
  expect(await service.notifyPush(repository.url)).toBe(true);
  await failed;
  const [status] = await service.listRepositories();
  expect(status?.error).toMatchObject({ code: 'UPSTREAM_UNREACHABLE' });
  for (let i = 0; i < 3; i++) expect(await service.notifyPush(repository.url)).toBe(true);
  await service.close({ drain: true });
  expect(repository.upstream.infoRefs(repository.path)).toBe(before + 1);
});

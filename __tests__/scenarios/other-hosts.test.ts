import { join } from 'node:path';
import { defaultSnapshot } from '../../lib/artifact/id.js';
import {
  MemoryLocks,
  MemoryStore,
  type SnapshotOptions,
  type SnapshotService,
} from '../../lib/index.js';
import { door } from '../support/door.js';
import {
  type FreshRepository,
  freshRepository,
  read,
  rebuilt,
} from '../support/fresh-repository.js';
import { HOST } from '../support/host-app.js';
import { push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);
const AT_ONCE = { maxAge: 0, checkInterval: 0 } as const;
const NEVER = 0x7fff_ffff;
const ONE = { clonesPerHost: 1, fetchesPerHost: 1, builds: 1 };
const OTHER = 'other.test';
const FIRST = { host: OTHER, path: 'a' };
/** As many as may be checked at once in the background. */
const OTHERS = [FIRST, ...['b', 'c', 'd'].map((path) => ({ host: OTHER, path }))];

let repository: FreshRepository;

beforeEach(async () => {
  repository = await freshRepository({ directory, defer });
  await Promise.all(OTHERS.map(({ path }) => repository.add(path)));
});

const bareOf = (path: string) => join(repository.root, `${path}.git`);

function start(options: Partial<SnapshotOptions>): SnapshotService {
  const host = { baseUrl: repository.upstream.url, allowPrivateAddresses: true };
  return repository.start({ hosts: { [HOST]: host, [OTHER]: host }, concurrency: ONE, ...options });
}

/** Starts a service that has snapshots from both hosts. After that there are new commits, and one host hangs. */
async function startWithHanging(
  kind: 'hang-info-refs' | 'hang-upload-pack',
  options: Partial<SnapshotOptions>,
  hanging = OTHERS,
): Promise<SnapshotService> {
  const service = start(options);
  for (const id of [repository.id, ...hanging]) await read(service, defaultSnapshot(id));
  for (const { path } of hanging) {
    await push(bareOf(path));
    repository.upstream.fault(path, { kind });
  }
  return service;
}

/** Pushes to the host that does not hang, and expects a new snapshot of it. */
async function expectRenewed(service: SnapshotService): Promise<void> {
  const commit = await push(repository.bare);
  const isRebuilt = rebuilt(service, repository.snapshot);
  await read(service, repository.snapshot);
  await isRebuilt;
  expect((await read(service, repository.snapshot)).commit).toBe(commit);
}

const startedAt = (service: 'info-refs' | 'upload-pack', path: string) =>
  repository.upstream.waitFor(({ requests }) =>
    requests.some((each) => each.repository === path && each.service === service && !each.closed),
  );

describe('A host that hangs', () => {
  test.each(['hang-info-refs', 'hang-upload-pack'] as const)(
    'with %s delays no background check of another host',
    async (kind) => {
      const service = await startWithHanging(kind, { freshness: AT_ONCE });
      const hanging = kind === 'hang-info-refs' ? 'info-refs' : 'upload-pack';
      for (const id of OTHERS) await read(service, defaultSnapshot(id));
      await Promise.all(OTHERS.map(({ path }) => startedAt(hanging, path)));
      await expectRenewed(service);
    },
  );

  test('delays no client of another host', async () => {
    const options = { freshness: { ...AT_ONCE, staleWhileRevalidate: 0 } } as const;
    const hanging = OTHERS.slice(0, 2);
    const service = await startWithHanging('hang-info-refs', options, hanging);
    const waiting = Promise.allSettled(hanging.map((id) => read(service, defaultSnapshot(id))));
    await repository.upstream.waitFor(({ requests }) => requests.some(({ closed }) => !closed));
    const commit = await push(repository.bare);
    expect((await read(service, repository.snapshot)).commit).toBe(commit);
    await service.close();
    await waiting;
  });

  test('delays no clone from another host', async () => {
    const service = start({});
    repository.upstream.fault(FIRST.path, { kind: 'hang-upload-pack' });
    const waiting = Promise.allSettled([read(service, defaultSnapshot(FIRST))]);
    await startedAt('upload-pack', FIRST.path);
    expect((await read(service, repository.snapshot)).source).toBe('build');
    await service.close();
    await waiting;
  });

  test('delays no refresh of a snapshot of another host', async () => {
    // Without mirrors, a refresh clones first.
    const options = { freshness: AT_ONCE, budgets: { maxMirrorBytes: 0 } };
    const service = await startWithHanging('hang-upload-pack', options, [FIRST]);
    await read(service, defaultSnapshot(FIRST));
    await startedAt('upload-pack', FIRST.path);
    await expectRenewed(service);
  });
});

test('A build that a client waits for does not wait for background builds of other hosts', async () => {
  const store = new MemoryStore({ maxBytes: 1e7 });
  const locks = new MemoryLocks();
  const service = start({
    store,
    locks,
    freshness: { staleWhileRevalidate: 0, maxAge: NEVER, checkInterval: 0 },
  });
  for (const id of [repository.id, FIRST]) await read(service, defaultSnapshot(id));
  const commit = await push(repository.bare);
  await push(bareOf(FIRST.path));

  const put = store.put.bind(store);
  const [released, release] = door();
  const [storing, reach] = door();
  jest.spyOn(store, 'put').mockImplementation(async (key, ...rest) => {
    if (key.startsWith(`v1/${OTHER}/`)) {
      reach();
      await released;
    }
    return await put(key, ...rest);
  });
  await service.notifyPush(`https://${OTHER}/${FIRST.path}`);
  await storing;
  // By now, the only place in the background is taken.
  const acquire = locks.acquire.bind(locks);
  const [begun, begin] = door();
  jest.spyOn(locks, 'acquire').mockImplementation(async (key, ...rest) => {
    if (key.endsWith('/snapshot')) begin();
    return await acquire(key, ...rest);
  });
  await service.notifyPush(`https://${HOST}/${repository.path}`);
  await begun;
  expect((await read(service, repository.snapshot)).commit).toBe(commit);
  release();
});

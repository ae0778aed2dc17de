import { join } from 'node:path';
import {
  InProcessLocks,
  MemoryStore,
  type SnapshotOptions,
  type SnapshotService,
} from '../../lib/index.js';
import { door } from '../support/door.js';
import {
  type FreshRepository,
  freshRepository,
  read,
  renewed,
} from '../support/fresh-repository.js';
import { HOST } from '../support/host-app.js';
import { push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);
const AT_ONCE = { maxAge: 0, checkInterval: 0 } as const;
const NEVER = 0x7fff_ffff;
const ONE = { concurrentClones: 1, concurrentFetches: 1, concurrentGenerations: 1 };
const OTHER = 'other.test';
/** As many as may be asked about at once in the background. */
const NAMES = ['a', 'b', 'c', 'd'];

let repository: FreshRepository;
let others: { host: string; path: string }[];

beforeEach(async () => {
  repository = await freshRepository({ directory, defer });
  others = NAMES.map((path) => ({ host: OTHER, path }));
  await Promise.all(NAMES.map((path) => repository.add(path)));
});

const bareOf = (path: string) => join(repository.root, `${path}.git`);

function start(options: Partial<SnapshotOptions>): SnapshotService {
  const host = { baseUrl: repository.upstream.url, allowPrivateAddresses: true };
  return repository.start({ hosts: { [HOST]: host, [OTHER]: host }, limits: ONE, ...options });
}

/** What of both hosts is stored, and the other one hangs from now on. */
async function startWithHanging(
  kind: 'hang-info-refs' | 'hang-upload-pack',
  options: Partial<SnapshotOptions>,
  hanging = others,
): Promise<SnapshotService> {
  const service = start(options);
  for (const id of [repository.id, ...hanging]) await read(service, id);
  for (const { path } of hanging) {
    await push(bareOf(path));
    repository.upstream.fault(path, { kind });
  }
  return service;
}

const startedAt = (service: 'info-refs' | 'upload-pack', path: string) =>
  repository.upstream.waitFor(({ requests }) =>
    requests.some((each) => each.repository === path && each.service === service && !each.closed),
  );

describe('A host that hangs', () => {
  test.each(['hang-info-refs', 'hang-upload-pack'] as const)(
    'with %s keeps no other host from being checked in the background',
    async (kind) => {
      const service = await startWithHanging(kind, { freshness: AT_ONCE });
      const hanging = kind === 'hang-info-refs' ? 'info-refs' : 'upload-pack';
      for (const id of others) await read(service, id);
      await Promise.all(others.map(({ path }) => startedAt(hanging, path)));
      const commit = await push(repository.bare);
      const isRenewed = renewed(service, repository.id);
      await read(service, repository.id);
      await isRenewed;
      expect((await read(service, repository.id)).commit).toBe(commit);
    },
  );

  test('keeps no client of another host waiting', async () => {
    const options = { freshness: { ...AT_ONCE, mode: 'strict' } } as const;
    const hanging = others.slice(0, 2);
    const service = await startWithHanging('hang-info-refs', options, hanging);
    const waiting = Promise.allSettled(hanging.map((id) => read(service, id)));
    await repository.upstream.waitFor(({ requests }) => requests.some(({ closed }) => !closed));
    const commit = await push(repository.bare);
    expect((await read(service, repository.id)).commit).toBe(commit);
    await service.close();
    await waiting;
  });

  test('keeps no repository of another host from being cloned', async () => {
    const service = start({});
    const [first] = others;
    if (first === undefined) throw new Error('there is no other repository');
    repository.upstream.fault(first.path, { kind: 'hang-upload-pack' });
    const waiting = Promise.allSettled([read(service, first)]);
    await startedAt('upload-pack', first.path);
    expect((await read(service, repository.id)).source).toBe('generation');
    await service.close();
    await waiting;
  });

  test('keeps no snapshot of another host from being renewed', async () => {
    const [first] = others;
    if (first === undefined) throw new Error('there is no other repository');
    // What is renewed is cloned first.
    const limits = { ...ONE, maxMirrorBytes: 0 };
    const options = { freshness: AT_ONCE, limits };
    const service = await startWithHanging('hang-upload-pack', options, [first]);
    await read(service, first);
    await startedAt('upload-pack', first.path);
    const commit = await push(repository.bare);
    const isRenewed = renewed(service, repository.id);
    await read(service, repository.id);
    await isRenewed;
    expect((await read(service, repository.id)).commit).toBe(commit);
  });
});

test('A renewal that a client waits for does not wait for renewals of other hosts', async () => {
  const store = new MemoryStore({ maxBytes: 1e7 });
  const locks = new InProcessLocks();
  const service = start({
    store,
    locks,
    freshness: { mode: 'strict', maxAge: NEVER, checkInterval: 0 },
  });
  const [first] = others;
  if (first === undefined) throw new Error('there is no other repository');
  for (const id of [repository.id, first]) await read(service, id);
  const commit = await push(repository.bare);
  await push(bareOf(first.path));

  const create = store.create.bind(store);
  const [released, release] = door();
  const [storing, reach] = door();
  jest.spyOn(store, 'create').mockImplementation(async (key, ...rest) => {
    if (key.startsWith(`snapshot/${OTHER}`)) {
      reach();
      await released;
    }
    return await create(key, ...rest);
  });
  await service.pushed(`https://${OTHER}/${first.path}`);
  await storing;
  // The only place in the background is taken by now.
  const acquire = locks.acquire.bind(locks);
  const [begun, begin] = door();
  jest.spyOn(locks, 'acquire').mockImplementation(async (key, ...rest) => {
    if (key.startsWith('snapshot/')) begin();
    return await acquire(key, ...rest);
  });
  await service.pushed(`https://${HOST}/${repository.path}`);
  await begun;
  expect((await read(service, repository.id)).commit).toBe(commit);
  release();
});

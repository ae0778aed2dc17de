import { setImmediate } from 'node:timers/promises';
import { MemoryLocks, MemoryStore } from '../../lib/index.js';
import type { Lock, LockRegistry } from '../../lib/locks/index.js';
import { type FreshRepository, freshRepository, next, read } from '../support/fresh-repository.js';
import { push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';

/*
 * Locks only save work: registries that hang or fail may cost work, and nothing else.
 */

const { directory, defer } = cleanup(afterEach);
let repository: FreshRepository;
const warnings = jest.spyOn(process, 'emitWarning');

beforeEach(async () => {
  repository = await freshRepository({ directory, defer });
  warnings.mockReset();
});
afterAll(() => warnings.mockRestore());

/** Locks that `release` gives back. */
function releasedBy(release: () => Promise<void>): LockRegistry {
  const lock: Lock = { signal: new AbortController().signal, release };
  return { acquire: async () => lock };
}

test.each<[string, () => Promise<void>]>([
  ['rejects', () => Promise.reject(new Error('the server is gone'))],
  [
    'throws',
    () => {
      throw new Error('the server is gone');
    },
  ],
])(
  'A snapshot is stored although the release of its lock %s, with a warning',
  async (_what, release) => {
    const service = repository.start({ locks: releasedBy(release) });
    const { revision } = await service.refresh(repository.id);
    await push(repository.bare);
    const renewed = await service.refresh(repository.id);
    expect(renewed.revision).not.toBe(revision);
    expect(warnings.mock.calls[0]?.[0]).toBe('a lock of the host app failed');
  },
);

test('A stale snapshot is renewed in the background although the locks fail with errors of their own', async () => {
  const working = new MemoryLocks();
  const store = new MemoryStore({ maxBytes: 1e6 });
  const freshness = { maxAge: 0, checkInterval: 0 };
  const locks: LockRegistry = {
    // As locks that fail for a moment, while the upstream is checked.
    acquire: async (key, options) => {
      if (key.endsWith('/check')) throw new Error('the server is gone');
      return await working.acquire(key, options);
    },
  };
  const service = repository.start({ store, locks, freshness });
  await read(service, repository.snapshot);
  await push(repository.bare);
  const renewed = next(service, 'store done');
  await read(service, repository.snapshot);
  await renewed;
  expect((await service.statStored(repository.snapshot))?.commit).toBe(await repository.head());
});

test('A build ends with its service although its lock never comes, and gives back a lock that comes later', async () => {
  let give: (lock: Lock) => void = () => {};
  const given = new Promise<Lock>((resolve) => {
    give = resolve;
  });
  let isAsked = false;
  const service = repository.start({
    locks: {
      acquire: () => {
        isAsked = true;
        return given;
      },
    },
  });
  const refused = expect(service.get(repository.snapshot)).rejects.toMatchObject({
    code: 'CLOSED',
  });
  while (!isAsked) await setImmediate();
  await service.close();
  await refused;
  const released = new Promise<void>((resolve) => {
    give({ signal: new AbortController().signal, release: async () => resolve() });
  });
  await released;
});

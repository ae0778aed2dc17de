import { readdir } from 'node:fs/promises';
import { FileSystemStore, MemoryStore } from '../../lib/index.js';
import type { SnapshotStore } from '../../lib/stores/index.js';
import { contentOf, listedKeys, put } from '../../lib/testing/store-content.js';
import { stopClock } from '../support/stopped-clock.js';
import { cleanup } from '../support/temporary-directory.js';

const MIB = 1024 * 1024;
const { directory, defer } = cleanup(afterEach);

interface Budgets {
  readonly maxBytes: number;
  readonly maxReplacedBytes?: number;
}

async function replace(store: SnapshotStore, key: string): Promise<void> {
  const { revision } = await put(store, key, contentOf('old', MIB));
  await put(store, key, contentOf('new', MIB), {}, { ifRevision: revision });
}

async function kept(store: SnapshotStore, keys: readonly string[]): Promise<string[]> {
  const replaced = await Promise.all(
    keys.map(async (key) => (await store.listReplaced?.(key)) ?? []),
  );
  return replaced.flat().map(({ key }) => key);
}

describe.each<[string, (budgets: Budgets) => Promise<SnapshotStore>]>([
  [
    'FileSystemStore',
    async (budgets) => new FileSystemStore({ directory: await directory(), ...budgets }),
  ],
  ['MemoryStore', async (budgets) => new MemoryStore(budgets)],
])('Replaced revisions of a %s', (_name, make) => {
  test('go before anything that is stored, the oldest first', async () => {
    const store = await make({ maxBytes: 4.5 * MIB });
    for (const key of ['a', 'b', 'c']) await replace(store, key);
    expect(await listedKeys(store)).toEqual(['a', 'b', 'c']);
    expect(await kept(store, ['a', 'b', 'c'])).toEqual(['c']);
  });

  test('have a budget of their own', async () => {
    const store = await make({ maxBytes: 1e9, maxReplacedBytes: 2.5 * MIB });
    for (const key of ['a', 'b', 'c']) await replace(store, key);
    expect(await kept(store, ['a', 'b', 'c'])).toEqual(['b', 'c']);
  });
});

test.each([
  ['their budget', { maxReplacedBytes: MIB }],
  ['the budget of all', { maxBytes: 1.5 * MIB }],
])('A FileSystemStore leaves no bytes of revisions that do not fit into %s', async (_, budgets) => {
  const path = await directory();
  const store = new FileSystemStore({ directory: path, ...budgets });
  defer(() => store.close());
  await replace(store, 'key');
  expect(await kept(store, ['key'])).toEqual([]);
  const endings = (await readdir(path)).map((name) => name.split('.').at(-1));
  expect(endings.sort()).toEqual(['bytes', 'object']);
});

test('A MemoryStore frees a replaced revision when its time is over', async () => {
  const clock = stopClock(defer);
  const store = new MemoryStore({ maxBytes: 1e9, keepReplacedFor: 60_000 });
  defer(() => store.close());
  const now = Date.now();
  await replace(store, 'key');
  expect(await kept(store, ['key'])).toEqual(['key']);
  const spy = jest.spyOn(Date, 'now').mockReturnValue(now + 120_000);
  defer(() => spy.mockRestore());
  clock.tick(120_000);
  expect(await kept(store, ['key'])).toEqual([]);
});

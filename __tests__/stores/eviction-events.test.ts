import { FileSystemStore, MemoryStore } from '../../lib/index.js';
import type { SnapshotStore } from '../../lib/stores/index.js';
import { bodyOf, listedKeys } from '../../lib/testing/store-content.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);
const BUDGET = 1000;

type OnEvict = (key: string) => void;

const STORES: [string, (onEvict: OnEvict) => Promise<SnapshotStore>][] = [
  ['MemoryStore', async (onEvict) => new MemoryStore({ maxBytes: BUDGET, onEvict })],
  [
    'FileSystemStore',
    async (onEvict) =>
      new FileSystemStore({ directory: await directory(), maxBytes: BUDGET, onEvict }),
  ],
];

test.each(STORES)(
  '%s reports the objects that it evicts to make room, and no others',
  async (_name, create) => {
    const evicted: string[] = [];
    const store = await create((key) => evicted.push(key));
    await put(store, 'replaced', 600);
    await put(store, 'replaced', 600);
    await put(store, 'deleted', 100);
    await store.delete('deleted');
    expect(evicted).toEqual([]);
    await put(store, 'newer', 600);
    expect(evicted).toEqual(['replaced']);
    expect(await store.stat('replaced')).toBeUndefined();
  },
);

test.each<[string, OnEvict]>([
  [
    'throws',
    () => {
      throw new Error('the log is full');
    },
  ],
  ['rejects', async () => Promise.reject(new Error('the log is full'))],
])('A store whose onEvict %s keeps the new object, and warns', async (_, onEvict) => {
  const warnings = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
  defer(() => warnings.mockRestore());
  for (const [, create] of STORES) {
    const store = await create(onEvict);
    for (const key of ['old', 'older']) await put(store, key, 300);
    await put(store, 'new', 700);
    expect(await listedKeys(store)).toEqual(['new']);
  }
  expect(warnings).toHaveBeenCalledTimes(2 * STORES.length);
  const detail = expect.stringContaining('the log is full');
  expect(warnings).toHaveBeenCalledWith('onEvict of the host app failed', { detail });
});

test('What onEvict does to a MemoryStore counts after the write', async () => {
  const store: MemoryStore = new MemoryStore({
    maxBytes: BUDGET,
    onEvict: () => void store.delete('new'),
  });
  await put(store, 'old', 600);
  await put(store, 'new', 600);
  expect(await listedKeys(store)).toEqual([]);
});

async function put(store: SnapshotStore, key: string, size: number): Promise<void> {
  await store.put(key, bodyOf(Buffer.alloc(size)));
}

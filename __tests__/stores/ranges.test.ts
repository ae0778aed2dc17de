import { FileSystemStore, MemoryStore, TieredStore } from '../../lib/index.js';
import type { SnapshotStore } from '../../lib/stores/index.js';
import { contentOf, put } from '../../lib/testing/store-content.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory } = cleanup(afterEach);

const inMemory = () => new MemoryStore({ maxBytes: 1e6 });

test.each<[string, () => Promise<SnapshotStore>]>([
  ['MemoryStore', async () => inMemory()],
  ['FileSystemStore', async () => new FileSystemStore({ directory: await directory() })],
  ['TieredStore', async () => new TieredStore({ local: inMemory(), shared: inMemory() })],
])('A %s throws a RangeError for a range outside the object', async (_, make) => {
  const store = await make();
  await put(store, 'key', contentOf('a', 10));
  await put(store, 'empty', Buffer.alloc(0));
  for (const [start, end] of [
    [10, 10],
    [0, 10],
    [5, 4],
    [-1, 5],
    [0.5, 2],
    [0, Number.NaN],
    [0, Number.POSITIVE_INFINITY],
  ] as const) {
    await expect(store.open('key', { range: { start, end } })).rejects.toThrow(RangeError);
  }
  await expect(store.open('empty', { range: { start: 0, end: 0 } })).rejects.toThrow(RangeError);
});

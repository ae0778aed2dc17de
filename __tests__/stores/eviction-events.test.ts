import { FileSystemStore, MemoryStore, type SnapshotStore } from '../../lib/index.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory } = cleanup(afterEach);
const BUDGET = 1000;

type OnEvict = (key: string) => void;

test.each<[string, (onEvict: OnEvict) => Promise<SnapshotStore>]>([
  ['MemoryStore', async (onEvict) => new MemoryStore({ maxBytes: BUDGET, onEvict })],
  [
    'FileSystemStore',
    async (onEvict) =>
      new FileSystemStore({ directory: await directory(), maxBytes: BUDGET, onEvict }),
  ],
])('%s reports the objects that it evicts to make room, and no others', async (_name, create) => {
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
});

async function put(store: SnapshotStore, key: string, size: number): Promise<void> {
  const writer = await store.create(key, {});
  await writer.write(Buffer.alloc(size));
  await writer.commit();
}

import { createHook } from 'node:async_hooks';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileSystemStore } from '../../../lib/stores/filesystem/filesystem-store.js';
import {
  assertContent,
  contentOf,
  listedKeys,
  mustOpen,
  put,
} from '../../../lib/testing/store-content.js';

const MIB = 1024 * 1024;
const MINUTE = 60_000;

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'filesystem-store-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true });
});

test('The least recently opened objects are evicted', async () => {
  const store = new FileSystemStore({ directory, maxBytes: 4 * MIB });
  for (const [index, key] of ['a', 'b', 'c'].entries()) {
    await put(store, key, contentOf(key, MIB));
    await used(key, 10 - index);
  }
  await assertContent(store, 'a', contentOf('a', MIB));
  await store.stat('b'); // does not count as a use
  await put(store, 'd', contentOf('d', MIB));
  expect(await listedKeys(store)).toEqual(['a', 'c', 'd']);
});

test('All stores on a directory share one budget', async () => {
  const [one, two] = [0, 1].map(() => new FileSystemStore({ directory, maxBytes: 3 * MIB }));
  if (one === undefined || two === undefined) throw new Error('no stores');
  await put(one, 'a', contentOf('a', MIB));
  await put(one, 'b', contentOf('b', MIB));
  await used('a', 10);
  await used('b', 5);
  (await mustOpen(two, 'a')).body.destroy();
  await put(two, 'c', contentOf('c', MIB));
  expect(await listedKeys(one)).toEqual(['a', 'c']);
});

test('Commits at the same time stay within the budget', async () => {
  const store = new FileSystemStore({ directory, maxBytes: 3 * MIB });
  const keys = Array.from({ length: 10 }, (_, index) => `key ${index}`);
  await Promise.all(keys.map((key) => put(store, key, contentOf(key, MIB))));
  expect((await listedKeys(store)).length).toBe(2);
});

test('A store removes no object that another process has used or replaced since it read the directory', async () => {
  const [one, other] = [0, 1].map(() => new FileSystemStore({ directory, maxBytes: 4 * MIB }));
  if (one === undefined || other === undefined) throw new Error('no stores');
  for (const [index, key] of ['a', 'b', 'c'].entries()) {
    await put(one, key, contentOf(key, MIB));
    await used(key, 10 - index);
  }
  expect(await listedKeys(other)).toEqual(['a', 'b', 'c']); // it has read the directory
  await used('a', -1); // as another process does
  await put(one, 'b', contentOf('b', 1000));
  await used('b', -1);
  await put(other, 'd', contentOf('d', MIB));
  await put(other, 'e', contentOf('e', MIB));
  expect(await listedKeys(one)).toEqual(['a', 'b', 'd', 'e']);
});

test('A write does not ask the file system for each object', async () => {
  const store = new FileSystemStore({ directory, maxBytes: 100 * MIB });
  await put(store, 'key', contentOf('a'));
  const before = await effortOf(() => put(store, 'key', contentOf('b')));
  for (let index = 0; index < 100; index++) await put(store, `key ${index}`, contentOf('a'));
  expect(await effortOf(() => put(store, 'key', contentOf('c')))).toBe(before);
});

test('An object that left to make room on the disk takes no part of the budget, nor do its replaced versions', async () => {
  const options = { maxBytes: 5 * MIB, keepReplacedFor: 10 * MINUTE, maxReplacedBytes: MIB * 5 };
  const store = new FileSystemStore({ directory, ...options });
  const { revision } = await put(store, 'org/repo/a', contentOf('a', MIB));
  await put(store, 'org/repo/a', contentOf('a', MIB), {}, { ifRevision: revision });
  await put(store, 'b', contentOf('b', MIB));
  await used('b', 10);
  const evictables = await store.listEvictable();
  const [b, a] = evictables.sort((one, other) => one.usedAt - other.usedAt);
  expect(a?.bytes).toBeGreaterThan(MIB);
  expect(b?.bytes).toBeGreaterThan(MIB);
  await a?.evict();
  await a?.evict();
  // Only the files of one object are left.
  expect((await readdir(directory)).map((name) => name.split('.').at(-1)).sort()).toEqual([
    'bytes',
    'object',
  ]);
  for (const key of ['c', 'd', 'e']) await put(store, key, contentOf(key, MIB));
  expect(await listedKeys(store)).toEqual(['b', 'c', 'd', 'e']);
  await put(store, 'f', contentOf('f', MIB));
  expect(await listedKeys(store)).toEqual(['c', 'd', 'e', 'f']);
});

test('An object that was used or replaced since it was listed stays when the disk is full', async () => {
  const store = new FileSystemStore({ directory });
  for (const key of ['used', 'replaced']) {
    await put(store, key, contentOf(key));
    await used(key, 10);
  }
  const evictables = await store.listEvictable();
  await used('used', 0); // as another process does
  await put(store, 'replaced', contentOf('new'));
  for (const { evict } of evictables) await evict();
  expect(await listedKeys(store)).toEqual(['replaced', 'used']);
});

test('A replaced object counts once', async () => {
  const store = new FileSystemStore({ directory, maxBytes: 3 * MIB });
  await put(store, 'other', contentOf('other', MIB));
  await used('other', 10);
  for (let round = 0; round < 3; round += 1) await put(store, 'key', contentOf('a', MIB));
  expect(await listedKeys(store)).toEqual(['key', 'other']);
});

test('The file of an object is touched at most once a minute', async () => {
  const store = new FileSystemStore({ directory });
  await put(store, 'a', contentOf('a'));
  await used('a', 0.5);
  const before = await stat(await onlyFile());
  (await mustOpen(store, 'a')).body.destroy();
  expect((await stat(await onlyFile())).mtimeMs).toBe(before.mtimeMs);
});

test('An object over the budget is not kept, nor is the one that it replaces; others stay', async () => {
  const store = new FileSystemStore({ directory, maxBytes: MIB });
  await put(store, 'other', contentOf('other'));
  await put(store, 'key', contentOf('old'));
  expect(await put(store, 'key', contentOf('a', MIB))).toMatchObject({ key: 'key', size: MIB });
  expect(await listedKeys(store)).toEqual(['other']);

  const file = join(directory, 'file');
  await writeFile(file, contentOf('a', MIB));
  expect(await store.putFile('key', file)).toMatchObject({ key: 'key', size: MIB });
  expect(existsSync(file)).toBe(false);
  expect((await readdir(directory)).length).toBe(2);
});

test('With a budget of 0 nothing is kept', async () => {
  const store = new FileSystemStore({ directory, maxBytes: 0 });
  expect(await put(store, 'key', Buffer.alloc(0))).toMatchObject({ size: 0 });
  expect(await store.open('key')).toBeUndefined();
  expect(await readdir(directory)).toEqual([]);
});

test.each([-1, 0.5, Number.NaN])('A maxBytes of %p is refused', (maxBytes) => {
  expect(() => new FileSystemStore({ directory, maxBytes })).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTIONS' }),
  );
});

test.each([{}, { directory: 'x', maxByte: 1 }])('The options %p are refused', (options) => {
  expect(() => Reflect.construct(FileSystemStore, [options])).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTIONS' }),
  );
});

/** How many calls of the file system some work makes. */
async function effortOf(work: () => Promise<unknown>): Promise<number> {
  let calls = 0;
  const hook = createHook({
    init(_id, type) {
      if (type === 'FSREQPROMISE') calls++;
    },
  }).enable();
  await work();
  hook.disable();
  return calls;
}

async function onlyFile(): Promise<string> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.object'));
  if (names[0] === undefined || names.length > 1) throw new Error(`files: ${names}`);
  return join(directory, names[0]);
}

/** Sets the time at which an object was last used. */
async function used(key: string, minutesAgo: number): Promise<void> {
  const names = await readdir(directory);
  const file = join(
    directory,
    names.find((name) => name.startsWith(`${key}.`) && name.endsWith('.object')) ?? key,
  );
  await utimes(file, new Date(), new Date(Date.now() - minutesAgo * MINUTE));
}

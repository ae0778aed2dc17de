import { existsSync, statSync } from 'node:fs';
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  rm,
  stat,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileSystemStore, MemoryStore } from '../../lib/index.js';
import type { SnapshotStore } from '../../lib/stores/index.js';
import { assertContent, contentOf, listedKeys, put } from '../../lib/testing/store-content.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory } = cleanup(afterEach);
const KIB = 1024;
const LOW = { priority: 'low' } as const;

type OnEvict = (key: string) => void;

describe.each<[string, (onEvict: OnEvict) => Promise<[SnapshotStore, Age]>]>([
  ['MemoryStore', async (onEvict) => [new MemoryStore({ maxBytes: 35 * KIB, onEvict }), inOrder]],
  [
    'FileSystemStore',
    async (onEvict) => {
      const path = await directory();
      const store = new FileSystemStore({ directory: path, maxBytes: 35 * KIB, onEvict });
      return [store, (key, minutes) => age(path, key, minutes)];
    },
  ],
])('With objects of low priority, a %s', (_name, create) => {
  test('evicts the least recently used of them for another one', async () => {
    const evicted: string[] = [];
    const [store, setAge] = await create((key) => evicted.push(key));
    for (const [index, key] of ['oldest', 'x', 'y'].entries()) {
      await put(
        store,
        key,
        contentOf(key, 10 * KIB),
        {},
        { priority: index > 0 ? 'low' : 'normal' },
      );
      await setAge(key, 10 - index);
    }
    await assertContent(store, 'x', contentOf('x', 10 * KIB));
    await put(store, 'z', contentOf('z', 10 * KIB), {}, LOW);
    expect(evicted).toEqual(['y']);
    expect(await listedKeys(store)).toEqual(['oldest', 'x', 'z']);
  });

  test('evicts nothing for one that would not fit even then', async () => {
    const evicted: string[] = [];
    const [store] = await create((key) => evicted.push(key));
    await put(store, 'a', contentOf('a', 20 * KIB));
    await put(store, 'x', contentOf('x', 10 * KIB), {}, LOW);
    await put(store, 'y', contentOf('y', 16 * KIB), {}, LOW);
    await put(store, 'z', contentOf('z', 40 * KIB), {}, LOW);
    expect(evicted).toEqual([]);
    expect(await listedKeys(store)).toEqual(['a', 'x']);
  });

  test('evicts by use alone for an object of normal priority', async () => {
    const evicted: string[] = [];
    const [store, setAge] = await create((key) => evicted.push(key));
    await put(store, 'a', contentOf('a', 10 * KIB));
    await setAge('a', 10);
    await put(store, 'x', contentOf('x', 10 * KIB), {}, LOW);
    await setAge('x', 5);
    await put(store, 'b', contentOf('b', 20 * KIB));
    expect(evicted).toEqual(['a']);
    expect(await listedKeys(store)).toEqual(['b', 'x']);
  });
});

describe('The directory of a FileSystemStore', () => {
  test('has one order of eviction for all stores on it', async () => {
    const path = await directory();
    const [one, two] = [0, 1].map(
      () => new FileSystemStore({ directory: path, maxBytes: 35 * KIB }),
    );
    if (one === undefined || two === undefined) throw new Error('no stores');
    for (const key of ['a', 'b']) await put(one, key, contentOf(key, 10 * KIB));
    await put(one, 'x', contentOf('x', 10 * KIB), {}, LOW);
    expect(await two.stat('x')).toMatchObject(LOW);
    await put(two, 'y', contentOf('y', 10 * KIB), {}, LOW);
    expect(await listedKeys(one)).toEqual(['a', 'b', 'y']);
  });

  test('is not opened file by file to make room for an object of low priority', async () => {
    const path = await directory();
    const store = new FileSystemStore({ directory: path, maxBytes: 35 * KIB });
    await put(store, 'a', contentOf('a', 10 * KIB));
    await put(store, 'x', contentOf('x', 20 * KIB), {}, LOW);
    const damaged = await fileOf(path, 'a');
    await truncate(damaged, 10);
    await put(store, 'y', contentOf('y', 20 * KIB), {}, LOW);
    expect(existsSync(damaged)).toBe(true); // an opened one would have been removed
    expect(await listedKeys(store)).toEqual(['y']);
  });

  test('whose files all have the mode of low priority loses no other object to one of low priority', async () => {
    const path = await directory();
    const store = new FileSystemStore({ directory: path, maxBytes: 35 * KIB });
    await put(store, 'a', contentOf('a', 10 * KIB));
    await put(store, 'x', contentOf('x', 10 * KIB), {}, LOW);
    for (const name of await readdir(path)) await chmod(join(path, name), 0o777);
    await age(path, 'a', 10);
    const again = new FileSystemStore({ directory: path, maxBytes: 35 * KIB });
    await put(again, 'y', contentOf('y', 20 * KIB), {}, LOW);
    expect(await listedKeys(again)).toEqual(['a', 'y']);
    await put(again, 'z', contentOf('z', 30 * KIB), {}, LOW);
    expect(await again.stat('z')).toBeUndefined();
    await assertContent(again, 'a', contentOf('a', 10 * KIB));
  });

  test('whose files have lost the mode of low priority still has room for other objects', async () => {
    const path = await directory();
    const store = new FileSystemStore({ directory: path, maxBytes: 35 * KIB });
    await put(store, 'x', contentOf('x', 20 * KIB), {}, LOW);
    await chmod(await fileOf(path, 'x'), 0o644);
    expect(await store.stat('x')).toMatchObject(LOW);
    const again = new FileSystemStore({ directory: path, maxBytes: 35 * KIB });
    await put(again, 'y', contentOf('y', 20 * KIB), {}, LOW);
    expect(await listedKeys(again)).toEqual(['x']);
    await put(again, 'a', contentOf('a', 20 * KIB));
    expect(await listedKeys(again)).toEqual(['a']);
  });
});

describe('A file that a store took', () => {
  test('keeps its mode, for programs that may read it', async () => {
    const path = await directory();
    const store = new FileSystemStore({ directory: path });
    for (const priority of ['normal', 'low', 'normal'] as const) {
      const file = join(await directory(), 'file');
      await writeFile(file, contentOf('a'));
      await chmod(file, 0o640);
      const { revision } = await store.putFile('key', file, { priority });
      const bytes = join(path, (await store.getFile('key', { revision }))?.path ?? '');
      expect((await stat(bytes)).mode & 0o777).toBe(0o640);
      const marked = (await stat(await fileOf(path, 'key'))).mode & 0o100;
      expect(marked).toBe(priority === 'low' ? 0o100 : 0);
    }
  });

  test('keeps its mode when it cannot be taken', async () => {
    const path = join(await directory(), 'objects');
    const store = new FileSystemStore({ directory: path });
    await put(store, 'key', contentOf('a'));
    await rm(path, { recursive: true });
    await writeFile(path, 'not a directory');
    const file = join(await directory(), 'file');
    await writeFile(file, contentOf('b'));
    for (const [mode, priority] of [
      [0o755, 'normal'],
      [0o644, 'low'],
    ] as const) {
      await chmod(file, mode);
      await expect(store.putFile('key', file, { priority })).rejects.toThrow();
      expect((await stat(file)).mode & 0o777).toBe(mode);
    }
  });

  // Where the machine has another file system than the one for temporary files
  const another = ['/dev/shm', '/var/tmp', process.cwd()].find(
    (place) => existsSync(place) && statSync(place).dev !== statSync(tmpdir()).dev,
  );

  (another === undefined ? test.skip : test)(
    'keeps its priority from another file system',
    async () => {
      const elsewhere = await mkdtemp(join(another ?? '', 'filesystem-store-'));
      try {
        const path = join(await directory(), 'objects');
        await mkdir(path);
        const store = new FileSystemStore({ directory: path, maxBytes: 35 * KIB });
        await writeFile(join(elsewhere, 'file'), contentOf('x', 20 * KIB));
        await store.putFile('x', join(elsewhere, 'file'), LOW);
        await put(store, 'y', contentOf('y', 20 * KIB), {}, LOW);
        expect(await listedKeys(store)).toEqual(['y']);
      } finally {
        await rm(elsewhere, { recursive: true });
      }
    },
  );
});

type Age = (key: string, minutes: number) => Promise<void>;

/** Where the order of the calls is the order of use. */
async function inOrder(): Promise<void> {}

async function age(path: string, key: string, minutes: number): Promise<void> {
  await utimes(await fileOf(path, key), new Date(), new Date(Date.now() - minutes * 60_000));
}

async function fileOf(path: string, key: string): Promise<string> {
  const name = (await readdir(path)).find(
    (file) => file.startsWith(`${key}.`) && file.endsWith('.object'),
  );
  if (name === undefined) throw new Error(`no file of ${key}`);
  return join(path, name);
}

import { existsSync, statSync, watch } from 'node:fs';
import {
  appendFile,
  type FileHandle,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withStoreFailure } from '../../../lib/fs/errors.js';
import { isTemporaryName } from '../../../lib/fs/temporary.js';
import { FileSystemStore } from '../../../lib/stores/filesystem/filesystem-store.js';
import { filesOf } from '../../../lib/stores/filesystem/folders.js';
import { storeContract } from '../../../lib/testing/index.js';
import {
  assertContent,
  contentOf,
  listedKeys,
  mustOpen,
  put,
  rest,
} from '../../../lib/testing/store-content.js';
import { fakeDate } from '../../support/fake-date.js';
import { cleanup } from '../../support/temporary-directory.js';

const MIB = 1024 * 1024;

const { defer } = cleanup(afterEach);

let parent: string;
let directory: string;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'filesystem-store-'));
  directory = join(parent, 'objects');
});

afterEach(async () => {
  await rm(parent, { recursive: true });
});

describe('FileSystemStore contract', () => {
  storeContract({
    test,
    factory: () => ({
      store: new FileSystemStore({ directory }),
      reopen: () => new FileSystemStore({ directory }),
      withBudget: (maxBytes) => new FileSystemStore({ directory, maxBytes }),
    }),
  });
});

describe('The files of a store', () => {
  test('are named after the keys, two for each object', async () => {
    const store = new FileSystemStore({ directory });
    await put(store, 'github.com/org/repo snapshot', contentOf('a'));
    await put(store, '../../etc/passwd', contentOf('b'));
    await put(store, 'a//b', contentOf('c'));
    const names = (await filesOf(directory, { folder: '', start: '' })).sort();
    expect(names).toEqual(
      ['_.\\/_.\\/etc\\/passwd', 'a\\/_\\/b', 'github\\.com\\/org\\/repo_snapshot'].flatMap(
        (stem) => [
          expect.stringMatching(new RegExp(`^${stem}\\.[0-9a-f]{64}\\.[0-9a-f-]{36}\\.bytes$`)),
          expect.stringMatching(new RegExp(`^${stem}\\.[0-9a-f]{64}\\.object$`)),
        ],
      ),
    );
    for (const key of ['github.com/org/repo snapshot', '../../etc/passwd', 'a//b'])
      await store.delete(key);
    expect(await readdir(directory)).toEqual([]);
    expect(await readdir(parent)).toEqual(['objects']);
  });

  test.each<[string, '.bytes' | '.object', (file: string) => Promise<unknown>]>([
    ['bytes are cut off', '.bytes', (file) => truncate(file, 1000)],
    ['bytes are longer', '.bytes', (file) => appendFile(file, 'x')],
    ['bytes are missing', '.bytes', (file) => rm(file)],
    ['description is cut off', '.object', (file) => truncate(file, 100)],
    ['description is empty', '.object', (file) => truncate(file, 0)],
    ['description is no JSON', '.object', (file) => writeFile(file, 'x'.repeat(5000))],
    ['description is no object', '.object', (file) => writeFile(file, 'null')],
    ['description has another shape', '.object', (file) => writeFile(file, '{}')],
    ['description has over 1 MiB', '.object', (file) => writeFile(file, Buffer.alloc(MIB + 1))],
    ['description names a file elsewhere', '.object', (file) => edit(file, '../../x')],
    ['bytes are in the file of the description, as in earlier versions', '.object', writeOldFile],
  ])('are misses, and are removed, when their %s', async (_, ending, damage) => {
    const store = new FileSystemStore({ directory });
    for (const look of [
      () => store.stat('key'),
      () => store.open('key'),
      async () => (await listedKeys(store))[0],
    ]) {
      await put(store, 'key', contentOf('a', 2000));
      await damage(await onlyFile(ending));
      expect(await look()).toBeUndefined();
      expect((await readdir(directory)).filter((name) => name.endsWith('.object'))).toEqual([]);
    }
    fakeDate(defer, 120_000);
    await put(new FileSystemStore({ directory, maxBytes: MIB }), 'other', contentOf('b'));
    expect((await readdir(directory)).length).toBe(2);
  });

  test('are misses under the name of another key', async () => {
    const store = new FileSystemStore({ directory });
    await put(store, 'key', contentOf('a'));
    const file = await onlyFile('.object');
    await store.delete('key');
    await put(store, 'other', contentOf('a'));
    await rename(await onlyFile('.object'), file);
    expect(await store.stat('key')).toBeUndefined();
  });

  test('lie beside files of others, which are left alone', async () => {
    const store = new FileSystemStore({ directory, maxBytes: 0 });
    await put(store, 'key', contentOf('a'));
    await writeFile(join(directory, 'README'), 'x');
    await writeFile(join(directory, 'x.object'), 'x');
    await put(store, 'key', contentOf('a'));
    expect(await listedKeys(store)).toEqual([]);
    expect((await readdir(directory)).sort()).toEqual(['README', 'x.object']);
  });

  test('are not opened by a list of other keys', async () => {
    const store = new FileSystemStore({ directory });
    const others = Array.from({ length: 300 }, (_, index) => `v1/host/repository${index}/snapshot`);
    for (const key of others) await put(store, key, contentOf(key));
    // A file that is opened, and is damaged, is removed.
    const left = async () =>
      (await filesOf(directory, { folder: '', start: '' })).filter((one) =>
        one.endsWith('.object'),
      );
    for (const name of await left()) await truncate(join(directory, name), 10);
    const own = ['v1/host/repository/check', 'v1/host/repository/snapshot'];
    for (const key of own) await put(store, key, contentOf(key));
    expect(await listedKeys(store, 'v1/host/repository/')).toEqual(own);
    expect((await left()).length).toBe(others.length + own.length);
    expect(await listedKeys(store)).toEqual(own);
    expect((await left()).length).toBe(own.length);
  });

  test('are listed where case is ignored, and a folder has the name of another key', async () => {
    const store = new FileSystemStore({ directory });
    await put(store, 'Org/repo', contentOf('a'));
    await rename(join(directory, 'Org'), join(directory, 'org'));
    expect(await listedKeys(store, 'Or')).toEqual(['Org/repo']);
    expect(await listedKeys(store, 'or')).toEqual([]);
  });

  test('keep keys and metadata that JSON and objects find special', async () => {
    const store = new FileSystemStore({ directory });
    const metadata = Object.fromEntries([
      ['__proto__', 'x'],
      ['constructor', '\ud800'],
    ]);
    for (const key of ['\ud800', '\udfff', '\ufffd'])
      await put(store, key, contentOf(key), metadata);
    const stored = await store.stat('\ud800');
    expect(Object.entries(stored?.metadata ?? {})).toEqual(Object.entries(metadata));
    expect((await listedKeys(store)).length).toBe(3);
  });

  test('keep long metadata', async () => {
    const store = new FileSystemStore({ directory });
    for (const length of [1000, 2000, 2048, 5000, 500_000]) {
      const metadata = { long: 'x'.repeat(length) };
      await put(store, 'key', contentOf('a'), metadata);
      expect((await store.stat('key'))?.metadata).toEqual(metadata);
    }
  });

  test.each<[string, (store: FileSystemStore) => Promise<unknown>]>([
    ['written', (store) => put(store, 'key', contentOf('a', 2 * MIB))],
    [
      'taken',
      async (store) => {
        const file = join(parent, 'file');
        await writeFile(file, contentOf('a', 2 * MIB));
        await store.putFile('key', file);
      },
    ],
  ])('are on the disk completely before they get their name, when they are %s', async (_, add) => {
    const synced = await watchSyncs();
    await add(new FileSystemStore({ directory }));
    const files = [await onlyFile('.bytes'), await onlyFile('.object')];
    const stats = await Promise.all(files.map((file) => stat(file)));
    expect(synced).toEqual(stats.map(({ ino, size }) => ({ ino, size, named: [] })));
  });

  test('hold no more than the limit of metadata', async () => {
    const store = new FileSystemStore({ directory });
    const writing = put(store, 'key', contentOf('a'), { long: 'x'.repeat(MIB) });
    await expect(writing).rejects.toMatchObject({ code: 'STORE_FAILED' });
    expect(await readdir(directory)).toEqual([]);
  });
});

describe('putFile()', () => {
  // Where the machine has another file system than the one for temporary files
  const another = ['/dev/shm', '/var/tmp', process.cwd()].find(
    (place) => existsSync(place) && statSync(place).dev !== statSync(tmpdir()).dev,
  );

  (another === undefined ? test.skip : test)('takes a file from another file system', async () => {
    const elsewhere = await mkdtemp(join(another ?? '', 'filesystem-store-'));
    try {
      const store = new FileSystemStore({ directory });
      const file = join(elsewhere, 'file');
      await writeFile(file, contentOf('a', 2 * MIB));
      await store.putFile('a/key', file, { metadata: { name: 'value' } });
      await assertContent(store, 'a/key', contentOf('a', 2 * MIB));
      expect(await readdir(elsewhere)).toEqual([]);
      expect(await readdir(directory)).toEqual(['a']);
      expect((await readdir(join(directory, 'a'))).length).toBe(2);
    } finally {
      await rm(elsewhere, { recursive: true });
    }
  });

  /** At its start, a store removes what crashed processes left there. */
  (another === undefined ? test.skip : test)('copies into the directory itself', async () => {
    const elsewhere = await mkdtemp(join(another ?? '', 'filesystem-store-'));
    defer(() => rm(elsewhere, { recursive: true }));
    const file = join(elsewhere, 'file');
    await writeFile(file, contentOf('a'));
    await mkdir(directory);
    const seen: string[] = [];
    const over = new Promise<void>((resolve) => {
      const watcher = watch(directory, (_, name) => {
        seen.push(name ?? '');
        if (name === 'over') resolve();
      });
      defer(() => watcher.close());
    });
    await new FileSystemStore({ directory }).putFile('a/key', file);
    await writeFile(join(directory, 'over'), '');
    await over;
    const copies = seen.filter((name) => name.startsWith('copy~'));
    expect(copies.length).toBeGreaterThan(0);
    expect(copies.every(isTemporaryName)).toBe(true);
  });

  test('leaves the file as it was when it fails', async () => {
    const store = new FileSystemStore({ directory });
    await put(store, 'key', contentOf('a'));
    await rm(directory, { recursive: true });
    await writeFile(directory, 'in the way');
    const file = join(parent, 'file');
    await writeFile(file, contentOf('b'));
    await expect(store.putFile('key', file)).rejects.toMatchObject({ code: 'STORE_FAILED' });
    expect(await readFile(file)).toEqual(contentOf('b'));
  });
});

test('The directory is made again when it is gone', async () => {
  const store = new FileSystemStore({ directory, maxBytes: 1e6 });
  await put(store, 'key', contentOf('a'));
  for (const key of ['key', 'other']) {
    await rm(directory, { recursive: true });
    expect(await store.stat(key)).toBeUndefined();
    await put(store, key, contentOf('b'));
    expect((await store.stat(key))?.size).toBe(contentOf('b').length);
  }
});

test('Objects can be evicted to make room on the disk, and tell when they were used', async () => {
  const store = new FileSystemStore({ directory });
  await put(store, 'key', contentOf('a'));
  const [object, ...others] = await store.listEvictable();
  expect(others).toEqual([]);
  expect(object?.bytes).toBeGreaterThanOrEqual(contentOf('a').length);
  expect(object?.usedAt).toBeGreaterThan(0);
  await object?.evict();
  await object?.evict();
  expect(await store.stat('key')).toBeUndefined();
});

describe('A failure', () => {
  test('of the directory has a code, and passes', async () => {
    await writeFile(directory, 'a file');
    const store = new FileSystemStore({ directory });
    const failure = { code: 'STORE_FAILED', cause: expect.objectContaining({ code: 'EEXIST' }) };
    await expect(store.stat('key')).rejects.toMatchObject(failure);
    await expect(store.open('key')).rejects.toMatchObject(failure);
    await expect(put(store, 'key', contentOf('a'))).rejects.toMatchObject(failure);
    await expect(store.delete('key')).rejects.toMatchObject(failure);
    await expect(listedKeys(store)).rejects.toMatchObject(failure);
    await rm(directory);
    await put(store, 'key', contentOf('a'));
    await assertContent(store, 'key', contentOf('a'));
  });

  test('from a full disk has a code of its own', async () => {
    await expect(
      withStoreFailure(() => writeFile('/dev/full', contentOf('a'))),
    ).rejects.toMatchObject({
      code: 'STORAGE_FULL',
      cause: expect.objectContaining({ code: 'ENOSPC' }),
    });
  });

  test('is reported to a reader when its file is cut off', async () => {
    const store = new FileSystemStore({ directory });
    await put(store, 'key', contentOf('a', 8 * MIB));
    const { body } = await mustOpen(store, 'key');
    const chunks = body[Symbol.asyncIterator]();
    await chunks.next();
    await truncate(await onlyFile('.bytes'), 10);
    await expect(rest(chunks)).rejects.toMatchObject({ code: 'STORE_FAILED' });
  });
});

/** What is synced from now on, and which objects had their name when that was done. */
async function watchSyncs() {
  const synced: { ino: number; size: number; named: string[] }[] = [];
  const handle = await open(parent);
  const prototype: FileHandle = Object.getPrototypeOf(handle);
  await handle.close();
  const { datasync } = prototype;
  prototype.datasync = async function (this: FileHandle) {
    const { ino, size } = await this.stat();
    await datasync.call(this);
    const named = (await readdir(directory)).filter((name) => name.endsWith('.object'));
    synced.push({ ino, size, named });
  };
  defer(() => {
    prototype.datasync = datasync;
  });
  return synced;
}

async function onlyFile(ending: '.bytes' | '.object'): Promise<string> {
  const names = (await readdir(directory)).filter((name) => name.endsWith(ending));
  const [name] = names.slice(-1);
  if (name === undefined || names.length > 3) throw new Error(`files: ${names}`);
  return join(directory, name);
}

async function edit(file: string, revision: string): Promise<void> {
  const description = JSON.parse(await readFile(file, 'utf8'));
  await writeFile(file, JSON.stringify({ ...description, revision }));
}

/** The bytes, the description, its length, and a magic number. */
async function writeOldFile(file: string): Promise<void> {
  const description = await readFile(file);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(description.length);
  const parts = [contentOf('a', 2000), description, length, Buffer.from('EGSOBJ02')];
  await writeFile(file, Buffer.concat(parts));
}

import { getEventListeners } from 'node:events';
import { mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { temporaryName } from '../../../lib/fs/temporary.js';
import { FileSystemStore } from '../../../lib/stores/filesystem/filesystem-store.js';
import {
  beginPut,
  contentOf,
  listedKeys,
  mustOpen,
  put,
} from '../../../lib/testing/store-content.js';

const MIB = 1024 * 1024;

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'filesystem-store-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

test('The files that a crash left are removed at the first use of the next store', async () => {
  await put(new FileSystemStore({ directory }), 'key', contentOf('a'));
  const inProgress = temporaryName('object');
  const parts = inProgress.split('~');
  const leftBehind = parts.with(3, String(Number(parts[3]) - 1)).join('~');
  for (const name of [inProgress, leftBehind]) await writeFile(join(directory, name), 'x');
  const store = new FileSystemStore({ directory });
  expect(await listedKeys(store)).toEqual(['key']);
  const left = await readdir(directory);
  expect(left).toContain(inProgress);
  expect(left).not.toContain(leftBehind);
});

test('A body leaves no handle and no listener behind, however it ends', async () => {
  const store = new FileSystemStore({ directory });
  const { revision } = await put(store, 'key', contentOf('a', 3 * MIB));
  const controller = new AbortController();
  const { signal } = controller;
  const ends: ((body: Readable) => unknown)[] = [
    (body) => body.resume(),
    (body) => body.destroy(),
    (body) => body.destroy(new Error('no more')),
    (body) => body.once('data', () => body.destroy()),
    () => controller.abort(),
  ];
  for (const end of ends) {
    const { body } = await mustOpen(store, 'key', { signal });
    expect(await openFiles()).toHaveLength(1);
    body.on('error', () => undefined);
    const closed = new Promise((resolve) => body.once('close', resolve));
    end(body);
    await closed;
    expect(await openFiles()).toEqual([]);
    expect(getEventListeners(signal, 'abort').length).toBe(0);
  }
  await expect(store.open('key', { range: { start: 5, end: 1 } })).rejects.toThrow(RangeError);
  await store.open('key', { revision: `not ${revision}` });
  await expect(store.open('key', { signal })).rejects.toBe(signal.reason);
  expect(await openFiles()).toEqual([]);
});

test('A write leaves no handle, file or listener behind, however it ends', async () => {
  const store = new FileSystemStore({ directory });
  const controller = new AbortController();
  const { signal } = controller;
  const begin = async () => {
    const write = beginPut(store, 'key', { signal });
    await write.write(contentOf('a', MIB));
    return write;
  };
  await (await begin()).finish();
  await (await begin()).fail();
  expect(getEventListeners(signal, 'abort').length).toBe(0);
  // This body hangs when the signal aborts.
  const write = await begin();
  const writing = expect(write.finish()).rejects.toThrow('told to stop');
  controller.abort(new Error('told to stop'));
  await writing;
  await expect(put(store, 'key', contentOf('a'), {}, { signal })).rejects.toThrow('told to stop');
  expect(await openFiles()).toEqual([]);
  expect((await readdir(directory)).length).toBe(2);
  expect(getEventListeners(signal, 'abort').length).toBe(0);
});

test('A write that fails at its end leaves nothing behind', async () => {
  const store = new FileSystemStore({ directory });
  const write = beginPut(store, 'key');
  await write.write(contentOf('a'));
  await rm(directory, { recursive: true });
  await expect(write.finish()).rejects.toMatchObject({ code: 'STORE_FAILED' });
  expect(await openFiles()).toEqual([]);
});

test('A write that fails at its beginning ends its body', async () => {
  await rm(directory, { recursive: true });
  await writeFile(directory, 'no directory');
  const body = Readable.from([contentOf('a')]);
  const writing = new FileSystemStore({ directory }).put('key', body);
  await expect(writing).rejects.toMatchObject({ code: 'STORE_FAILED' });
  expect(body.destroyed).toBe(true);
});

/** The descriptors of this process on files in the store's directory (Linux). */
async function openFiles(): Promise<string[]> {
  const descriptors = await readdir('/proc/self/fd');
  const targets = await Promise.all(
    descriptors.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
  );
  return targets.filter((target) => target.startsWith(directory));
}

import { getEventListeners } from 'node:events';
import { mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { temporaryName } from '../../../lib/fs/temporary.js';
import { FileSystemStore } from '../../../lib/stores/filesystem/filesystem-store.js';
import { contentOf, listedKeys, mustOpen, put } from '../../../lib/testing/store-content.js';

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
    const writer = await store.create('key', {}, { signal });
    await writer.write(contentOf('a', MIB));
    return writer;
  };
  await (await begin()).commit();
  await (await begin()).abort();
  expect(getEventListeners(signal, 'abort').length).toBe(0);
  const writer = await begin();
  const writing = expect(writer.write(contentOf('a', 4 * MIB))).rejects.toThrow('told to stop');
  controller.abort(new Error('told to stop'));
  await writing;
  await expect(writer.commit()).rejects.toThrow('told to stop');
  await writer.abort();
  expect(await openFiles()).toEqual([]);
  expect((await readdir(directory)).length).toBe(1);
  expect(getEventListeners(signal, 'abort').length).toBe(0);
});

test('A commit that fails leaves nothing behind', async () => {
  const store = new FileSystemStore({ directory });
  const writer = await store.create('key', {});
  await writer.write(contentOf('a'));
  await rm(directory, { recursive: true });
  await expect(writer.commit()).rejects.toMatchObject({ code: 'STORE_FAILED' });
  await writer.abort();
  expect(await openFiles()).toEqual([]);
});

/** The descriptors of this process on files in the store's directory (Linux). */
async function openFiles(): Promise<string[]> {
  const descriptors = await readdir('/proc/self/fd');
  const targets = await Promise.all(
    descriptors.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
  );
  return targets.filter((target) => target.startsWith(directory));
}

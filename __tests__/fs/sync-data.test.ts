import { type FileHandle, open, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFile } from '../../lib/fs/sync-data.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);

/** A read-only file, on a system that brings data to the disk only as Windows does. */
async function readOnlyFile(): Promise<{ path: string; synced: number[] }> {
  const path = join(await directory(), 'pack');
  await writeFile(path, 'content', { mode: 0o444 });
  const synced: number[] = [];
  const handle = await open(path);
  const prototype: FileHandle = Object.getPrototypeOf(handle);
  await handle.close();
  const { datasync } = prototype;
  prototype.datasync = async function (this: FileHandle) {
    const { size } = await this.stat();
    await this.truncate(size); // fails unless this handle may write
    synced.push(size);
  };
  defer(() => {
    prototype.datasync = datasync;
  });
  return { path, synced };
}

test('A read-only file reaches the disk on Windows, and stays read-only', async () => {
  const { path, synced } = await readOnlyFile();
  await expect(syncFile(path, 'linux')).rejects.toMatchObject({ code: 'EINVAL' });
  await syncFile(path, 'win32');
  expect(synced).toEqual([7]);
  expect((await stat(path)).mode & 0o222).toBe(0);
});

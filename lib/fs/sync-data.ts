import { fdatasync } from 'node:fs';
import { chmod, type FileHandle, open } from 'node:fs/promises';
import { promisify } from 'node:util';

const syncDescriptor = promisify(fdatasync);

/**
 * As `handle.datasync()`, which the handles of Yarn's Plug'n'Play lack. By descriptor, Node's
 * permission model would refuse it.
 */
export async function syncData(handle: FileHandle): Promise<void> {
  if ('pnp' in process.versions) await syncDescriptor(handle.fd);
  else await handle.datasync();
}

/**
 * Brings a file to the disk that no other program uses yet. It may be read-only, as git's packs are;
 * on Windows it is so afterwards.
 */
export async function syncFile(path: string, platform = process.platform): Promise<void> {
  if (platform !== 'win32') return await syncOpened(path, 'r');
  // Windows flushes a file only for a handle that may write (`FlushFileBuffers`).
  await chmod(path, 0o666);
  await syncOpened(path, 'r+');
  await chmod(path, 0o444);
}

async function syncOpened(path: string, flags: 'r' | 'r+'): Promise<void> {
  const handle = await open(path, flags);
  await syncData(handle).finally(() => handle.close());
}

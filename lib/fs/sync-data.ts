import { fdatasync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
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

import { open, rm, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasCode } from '../errors.js';
import { copyToNew } from './copy-file.js';
import { replace } from './replace.js';
import { syncData } from './sync-data.js';
import { temporaryName } from './temporary.js';

/**
 * Moves a file to `target`, which it replaces atomically. A file of another file system is first
 * copied to a temporary name.
 *
 * @param staging the directory of that copy, on the file system of the target. Default: beside it.
 */
export async function moveFile(
  source: string,
  target: string,
  staging = dirname(target),
): Promise<void> {
  try {
    await replace(source, target);
  } catch (error) {
    if (!hasCode(error, 'EXDEV')) throw error;
    await copyOver(source, target, staging);
    await unlink(source);
  }
}

async function copyOver(source: string, target: string, staging: string): Promise<void> {
  const copy = join(staging, temporaryName('copy'));
  try {
    await copyToNew(source, copy);
    const handle = await open(copy, 'r+');
    await syncData(handle).finally(() => handle.close());
    await replace(copy, target);
  } catch (error) {
    await rm(copy, { force: true });
    throw error;
  }
}

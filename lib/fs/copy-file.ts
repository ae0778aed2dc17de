import { createReadStream, createWriteStream } from 'node:fs';
import { constants, copyFile, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { isUnsupported } from './errors.js';

/** Copies a file to a path that must be free. */
export async function copyToNew(source: string, target: string): Promise<void> {
  try {
    await copyFile(source, target, constants.COPYFILE_EXCL);
  } catch (error) {
    // It also copies the mode, which some file systems do not let it change.
    if (!isUnsupported(error)) throw error;
    await rm(target, { force: true });
    await pipeline(createReadStream(source), createWriteStream(target, { flags: 'wx' }));
  }
}

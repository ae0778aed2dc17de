import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode, isDiskFull, SnapshotError } from '../errors.js';
import { temporaryName } from './temporary.js';

/**
 * Creates `dataDir`, and writes an empty file into it. A full disk is no failure.
 *
 * @throws SnapshotError `INTERNAL`, which names the directory.
 */
export async function requireWritable(dataDir: string): Promise<void> {
  const probe = join(dataDir, temporaryName('probe'));
  try {
    await mkdir(dataDir, { recursive: true });
    await writeFile(probe, '', { flag: 'wx' });
    await rm(probe);
  } catch (cause) {
    if (!hasCode(cause)) throw cause;
    if (isDiskFull(cause)) return;
    const message = `this process can't write to dataDir, ${dataDir}: ${cause.message}`;
    throw new SnapshotError('INTERNAL', message, { cause });
  }
}

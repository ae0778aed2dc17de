import { readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { unlessMissing } from '../../fs/errors.js';
import { evictable, type Occupant, totalBytes } from '../eviction.js';
import { isObjectFileName, markedPriority } from './object-file.js';
import { replacedFiles } from './replaced-files.js';

interface File extends Occupant {
  readonly name: string;
  readonly usedAt: number;
}

/**
 * Evicts files of a directory until the newcomer fits into `maxBytes`. Replaced versions are
 * evicted first. A file with the newcomer's name does not count: the newcomer replaces it. The
 * mtime of a file tells when it was last used, so all processes that share the directory agree.
 * Cost: one `stat` for each object.
 *
 * @param evict removes the object of a file. Returns false if the object's priority forbids it,
 *   although the mode of the file does not.
 * @returns whether the newcomer fits.
 */
export async function makeRoom(
  directory: string,
  maxBytes: number,
  newcomer: Omit<File, 'usedAt'>,
  evict: (name: string) => Promise<boolean>,
): Promise<boolean> {
  const files = (await objectFiles(directory)).filter(({ name }) => name !== newcomer.name);
  files.sort((a, b) => a.usedAt - b.usedAt);
  const replaced = await replacedFiles(directory);
  const occupants = [...replaced.map((file) => ({ ...file, priority: 'low' as const })), ...files];
  let excess = totalBytes(occupants) + newcomer.bytes - maxBytes;
  for (const { name, bytes } of evictable(occupants, excess, newcomer) ?? []) {
    if (excess <= 0) break;
    if (!isObjectFileName(name)) await unlessMissing(unlink(join(directory, name)));
    else if (!(await evict(name))) continue;
    excess -= bytes;
  }
  return excess <= 0;
}

/** All object files of a directory. */
export async function objectFiles(directory: string): Promise<File[]> {
  const files: File[] = [];
  for (const name of ((await unlessMissing(readdir(directory))) ?? []).filter(isObjectFileName)) {
    const stats = await unlessMissing(stat(join(directory, name)));
    if (stats === undefined) continue;
    const { size, mode, mtimeMs } = stats;
    files.push({ name, bytes: size, priority: markedPriority(mode), usedAt: mtimeMs });
  }
  return files;
}

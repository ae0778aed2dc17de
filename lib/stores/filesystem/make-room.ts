import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { unlessMissing } from '../../fs/errors.js';
import { evictable, type Occupant, totalBytes } from '../eviction.js';
import { isObjectFileName, markedPriority, ownerOfBytes } from './object-file.js';
import { removeOrphans } from './orphans.js';
import { type ReplacedFile, removeReplaced, replacedFiles } from './replaced-files.js';

interface File extends Occupant {
  /** Of the description. */
  readonly name: string;
  readonly usedAt: number;
}

/**
 * Evicts objects of a directory until the newcomer fits into `maxBytes`. Replaced versions are
 * evicted first. An object with the newcomer's name does not count: the newcomer replaces it. The
 * mtime of a description tells when the object was last used, so all processes that share the
 * directory agree. Cost: two `stat` for each object.
 *
 * @param evict removes the object of a description. Returns false if the object's priority forbids
 *   it, although the mode of the file does not.
 * @returns whether the newcomer fits.
 */
export async function makeRoom(
  directory: string,
  maxBytes: number,
  newcomer: Omit<File, 'usedAt'>,
  evict: (name: string) => Promise<boolean>,
): Promise<boolean> {
  await removeOrphans(directory);
  const replaced = await replacedFiles(directory);
  const files = (await objectFiles(directory, replaced)).filter(
    ({ name }) => name !== newcomer.name,
  );
  files.sort((a, b) => a.usedAt - b.usedAt);
  const occupants: (File | (ReplacedFile & Occupant))[] = [
    ...replaced.map((file) => ({ ...file, priority: 'low' as const })),
    ...files,
  ];
  let excess = totalBytes(occupants) + newcomer.bytes - maxBytes;
  for (const occupant of evictable(occupants, excess, newcomer) ?? []) {
    if (excess <= 0) break;
    if ('bytesName' in occupant) await removeReplaced(directory, occupant);
    else if (!(await evict(occupant.name))) continue;
    excess -= occupant.bytes;
  }
  return excess <= 0;
}

/** @param replaced their bytes count for them, not for the object. */
async function objectFiles(directory: string, replaced: readonly ReplacedFile[]): Promise<File[]> {
  const names = await readdir(directory);
  const isReplaced = new Set(replaced.map(({ bytesName }) => bytesName));
  const bytes = new Map<string, number>();
  for (const name of names) {
    const owner = isReplaced.has(name) ? undefined : ownerOfBytes(name);
    if (owner === undefined) continue;
    const size = (await unlessMissing(stat(join(directory, name))))?.size ?? 0;
    bytes.set(owner.name, (bytes.get(owner.name) ?? 0) + size);
  }
  const files: File[] = [];
  for (const name of names.filter(isObjectFileName)) {
    const stats = await unlessMissing(stat(join(directory, name)));
    if (stats === undefined) continue;
    const { size, mode, mtimeMs } = stats;
    const priority = markedPriority(mode);
    files.push({ name, bytes: size + (bytes.get(name) ?? 0), priority, usedAt: mtimeMs });
  }
  return files;
}

import { stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { unlessMissing } from '../../fs/errors.js';
import { type FileName, isObjectFileName, ownerOfBytes, readDescription } from './object-file.js';
import { replacedOf } from './replaced-files.js';

/**
 * Milliseconds after which bytes without a description are removed: before that, a write may be
 * about to rename the description, which is its next step. If it takes longer, its object is a miss.
 */
const GRACE_PERIOD = 2000;

/**
 * Removes files of bytes that no description names. A crash leaves them, or two processes that
 * replace one object at the same moment. It reads a description only if several files of bytes may
 * belong to it.
 *
 * @param names all files of the directory.
 */
export async function removeOrphans(directory: string, names: readonly FileName[]): Promise<void> {
  const descriptions = new Set(names.filter(isObjectFileName));
  const replaced = new Set(replacedOf(names).map(({ bytesName }) => bytesName));
  const owned = new Map<string, Map<string, string>>();
  for (const file of names) {
    const owner = replaced.has(file) ? undefined : ownerOfBytes(file);
    if (owner === undefined) continue;
    const files = owned.get(owner.name) ?? new Map<string, string>();
    owned.set(owner.name, files.set(owner.revision, file));
  }
  for (const [name, files] of owned) {
    if (descriptions.has(name)) {
      if (files.size === 1) continue;
      const current = await readDescription(join(directory, name), name);
      if (typeof current === 'object') files.delete(current.object.revision);
    }
    for (const file of files.values()) await removeOld(join(directory, file));
  }
}

async function removeOld(path: string): Promise<void> {
  const stats = await unlessMissing(stat(path));
  // A rename changes the ctime.
  if (stats === undefined || Date.now() - stats.ctimeMs < GRACE_PERIOD) return;
  await unlessMissing(unlink(path));
}

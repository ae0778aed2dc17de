import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { unlessMissing } from './failure.js';
import { isObjectFileName } from './object-file.js';

/**
 * Removes the objects that were not used for longest until those that are left, not counting
 * `except`, take at most `maxBytes` with their descriptions. The clock is each file's mtime, so it is
 * one for all processes that share the directory. Cost: one `stat` for each object.
 *
 * @param evict removes one object by the name of its file.
 */
export async function makeRoom(
  directory: string,
  maxBytes: number,
  except: string,
  evict: (name: string) => Promise<void>,
): Promise<void> {
  const files = [];
  let total = 0;
  for (const name of await readdir(directory)) {
    if (name === except || !isObjectFileName(name)) continue;
    const stats = await unlessMissing(stat(join(directory, name)));
    if (stats === undefined) continue;
    files.push({ name, size: stats.size, usedAt: stats.mtimeMs });
    total += stats.size;
  }
  files.sort((a, b) => a.usedAt - b.usedAt);
  for (const { name, size } of files) {
    if (total <= maxBytes) return;
    await evict(name);
    total -= size;
  }
}

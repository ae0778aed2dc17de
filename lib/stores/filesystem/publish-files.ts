import { open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { moveFile } from '../../fs/move-file.js';
import { replace } from '../../fs/replace.js';
import { syncData } from '../../fs/sync-data.js';
import { temporaryName } from '../../fs/temporary.js';
import type { Priority, StoredObject } from '../store.js';
import { inFolder } from './folders.js';
import { bytesFileName, markPriority, objectFileName, readDescription } from './object-file.js';

/**
 * Gives the bytes and the description of an object their names. The description is synced before it
 * is renamed, as the bytes were: a power failure may undo the rename, but can't leave a name without
 * content. If this rejects, the bytes are at `path` again.
 *
 * @param path the file of the bytes, synced.
 * @returns the revision that was replaced.
 */
export async function publishFiles(
  directory: string,
  path: string,
  object: StoredObject & { readonly priority: Priority },
  description: Buffer,
): Promise<string | undefined> {
  const name = objectFileName(object.key);
  const bytes = join(directory, bytesFileName(name, object.revision));
  const temporary = join(directory, temporaryName('description'));
  try {
    await writeSynced(temporary, description);
    await markPriority(temporary, object.priority);
    // A copy is in the directory itself, where the next start looks for leftovers of a crash.
    await inFolder(directory, bytes, () => moveFile(path, bytes, directory));
    try {
      // Right before the rename: other processes may write the same object.
      const replaced = await readDescription(join(directory, name), name);
      await replace(temporary, join(directory, name)); // the last step that can fail
      return typeof replaced === 'object' ? replaced.object.revision : undefined;
    } catch (error) {
      await moveFile(bytes, path);
      throw error;
    }
  } catch (error) {
    await unlink(temporary).catch(() => {}); // the first failure is the one to report
    throw error;
  }
}

async function writeSynced(path: string, content: Buffer): Promise<void> {
  const handle = await open(path, 'wx');
  try {
    await handle.writeFile(content);
    await syncData(handle);
  } finally {
    await handle.close();
  }
}

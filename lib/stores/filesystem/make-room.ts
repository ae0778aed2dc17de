import type { Priority } from '../store.js';
import type { FileIndex, IndexedObject } from './file-index.js';
import type { ReplacedFiles } from './replaced-files.js';

export interface RoomParts {
  readonly index: FileIndex;
  readonly replaced: ReplacedFiles;
  /** Removes an object. Returns false if the object's priority forbids it, although the index does not. */
  readonly evict: (object: IndexedObject) => Promise<boolean>;
}

/**
 * Evicts objects until a newcomer fits into `maxBytes`: replaced versions first, then the least
 * recently used objects.
 *
 * @param newcomer an object that it replaces must not be in the index any more.
 * @returns whether the newcomer fits.
 */
export async function makeRoom(
  { index, replaced, evict }: RoomParts,
  maxBytes: number,
  newcomer: { readonly bytes: number; readonly priority: Priority },
): Promise<boolean> {
  const { bytes, priority } = newcomer;
  const excess = () => index.bytes + bytes - maxBytes;
  const evictable = () =>
    replaced.bytes + index.bytesOf('low') + (priority === 'low' ? 0 : index.bytesOf('normal'));
  while (excess() > 0) {
    if (evictable() < excess()) return false;
    if (await replaced.removeOldest()) continue;
    const victim = index.leastRecentlyUsed(priority);
    if (victim === undefined) return false;
    if (!(await index.refresh(victim))) continue;
    if (await evict(victim)) index.delete(victim.name);
    else index.add(victim.name, victim.bytes, 'normal');
  }
  return true;
}

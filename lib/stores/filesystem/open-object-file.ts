import { type FileHandle, open, unlink, utimes } from 'node:fs/promises';
import { hasCode, SnapshotError } from '../../errors.js';
import { isUnsupported, unlessMissing, withStoreFailure } from '../../fs/errors.js';
import type { Slice } from '../range.js';
import { RecyclingBody, type SpareBuffers } from '../recycling-body.js';
import type { StoredObject } from '../store.js';
import { objectFileName, readTrailer } from './object-file.js';

/** Milliseconds, at least, between two updates of the time of an object's last use. */
const TOUCH_INTERVAL = 60_000;

export interface ObjectFile {
  readonly path: string;
  readonly handle: FileHandle;
  readonly object: StoredObject;
  readonly usedAt: number;
}

/**
 * Opens an object file. A file that is incomplete, or of another object, is a miss and is removed.
 * If another process has just replaced the file, this may remove a good file: that counts as an
 * eviction.
 *
 * @param name the file name of the stored object. A replaced version has another path.
 */
export async function findObject(path: string, name: string): Promise<ObjectFile | undefined> {
  const handle = await unlessMissing(open(path, 'r'));
  if (handle === undefined) return undefined;
  const found = await closingUnlessKept(handle, async () => {
    const { size, mtimeMs } = await handle.stat();
    const object = await readTrailer(handle, size);
    if (object === undefined || objectFileName(object.key) !== name) return undefined;
    return { path, handle, object, usedAt: mtimeMs };
  });
  if (found === undefined) await unlessMissing(unlink(path));
  return found;
}

/** Marks an object as used now. It takes the path, for the same reason as `markPriority`. */
export async function touch({ path, usedAt }: ObjectFile): Promise<void> {
  const now = new Date();
  if (now.getTime() - usedAt < TOUCH_INTERVAL) return;
  try {
    await unlessMissing(utimes(path, now, now));
  } catch (error) {
    // A directory that this process may only read
    if (!isUnsupported(error) && !hasCode(error, 'EROFS')) throw error;
  }
}

/** Closes the handle unless `work` returns a value, which then owns it. */
export async function closingUnlessKept<T>(
  handle: FileHandle,
  work: () => Promise<T | undefined>,
): Promise<T | undefined> {
  let kept: T | undefined;
  try {
    kept = await work();
    return kept;
  } finally {
    if (kept === undefined) await handle.close();
  }
}

/**
 * The bytes of a slice of an open file. It owns the handle and always closes it. Unlike Node's file
 * streams, it fails when the file is too short, and its errors have codes.
 */
export class FileBody extends RecyclingBody {
  constructor(
    handle: FileHandle,
    { start, stop }: Slice,
    signal: AbortSignal | undefined,
    spare?: SpareBuffers,
  ) {
    let position = start;
    const read = async (buffer: Buffer): Promise<number> => {
      const length = Math.min(buffer.length, stop - position);
      if (length === 0) return 0;
      const { bytesRead } = await withStoreFailure(() => handle.read(buffer, 0, length, position));
      if (bytesRead === 0) throw new SnapshotError('STORE_FAILED', 'the file was truncated');
      position += bytesRead;
      return bytesRead;
    };
    super({ read, close: () => handle.close() }, stop - start, signal, spare);
  }
}

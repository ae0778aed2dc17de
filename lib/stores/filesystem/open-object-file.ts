import { type FileHandle, open, stat, unlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode, SnapshotError } from '../../errors.js';
import { isUnsupported, unlessMissing, withStoreFailure } from '../../fs/errors.js';
import type { Slice } from '../range.js';
import { RecyclingBody, type SpareBuffers } from '../recycling-body.js';
import type { StoredObject } from '../store.js';
import { bytesFileName, readDescription } from './object-file.js';

/** Milliseconds, at least, between two updates of the time of an object's last use. */
const TOUCH_INTERVAL = 60_000;
/** The object may be replaced between the reads of its two files. */
const MAX_ATTEMPTS = 5;

export interface ObjectFile {
  /** Of the description. */
  readonly path: string;
  /** The file name of the bytes. */
  readonly bytesName: string;
  readonly object: StoredObject;
  readonly usedAt: number;
}

/**
 * Finds an object's files. An object whose description is invalid, or whose bytes are missing or
 * incomplete, is a miss and is removed. If another process has just replaced the description, this
 * may remove a good one: that counts as an eviction.
 *
 * @param name the file name of the stored object's description.
 * @param file the file name of the description that is meant: a replaced version has another one.
 */
export async function findObject(
  directory: string,
  name: string,
  file = name,
): Promise<ObjectFile | undefined> {
  const path = join(directory, file);
  let missed: string | undefined;
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const found = await readDescription(path, name);
    if (found === undefined) return undefined;
    if (found === 'invalid') break;
    const { object, usedAt } = found;
    const bytesName = bytesFileName(name, object.revision);
    const stats = await unlessMissing(stat(join(directory, bytesName)));
    if (stats?.size === object.size) return { path, bytesName, object, usedAt };
    // Otherwise, another process may have replaced the object just now.
    if (missed === object.revision) break;
    missed = object.revision;
  }
  await unlessMissing(unlink(path));
  if (missed !== undefined)
    await unlessMissing(unlink(join(directory, bytesFileName(name, missed))));
  return undefined;
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

/** Opens the bytes of an object; `undefined` if they are gone since they were found. */
export async function openBytes(
  directory: string,
  { bytesName }: ObjectFile,
): Promise<FileHandle | undefined> {
  return await unlessMissing(open(join(directory, bytesName), 'r'));
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

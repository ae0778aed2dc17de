import { constants, type FileHandle, open, readdir, unlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import pLimit from 'p-limit';
import { hasCode } from '../errors.js';
import { unlessMissing, withStoreFailure } from './failure.js';
import { FileBody } from './file-body.js';
import { type FileSystemStoreOptions, parseFileSystemStoreOptions } from './filesystem-options.js';
import { makeRoom } from './make-room.js';
import { moveFile } from './move-file.js';
import {
  describeObject,
  encodeTrailer,
  isMarkedExpendable,
  isObjectFileName,
  markRank,
  objectFileName,
  readTrailer,
} from './object-file.js';
import { TargetWriter } from './object-writer.js';
import { sliceOf } from './range.js';
import type {
  AdoptOptions,
  CreateOptions,
  Metadata,
  ObjectWriter,
  OpenedObject,
  OpenOptions,
  SnapshotStore,
  StoredObject,
} from './store.js';
import { prepareDirectory, temporaryName } from './temporary.js';

export type { FileSystemStoreOptions } from './filesystem-options.js';

/** Milliseconds for which an object that is opened often keeps its place in the eviction order. */
const TOUCH_INTERVAL = 60_000;

interface ObjectFile {
  readonly handle: FileHandle;
  readonly object: StoredObject;
  readonly usedAt: number;
}

/**
 * Keeps each object as one file of a directory, which any number of processes may share: a file is
 * written under a temporary name, synced and renamed, and read through one descriptor.
 *
 * It does not write conditionally: a file system can't compare and rename in one step, and has no lock
 * that is free again when its holder died.
 */
export class FileSystemStore implements SnapshotStore {
  readonly abilities = {
    adoptsFiles: true,
    persistent: true,
    ranksObjects: true,
    writesConditionally: false,
  } as const;
  readonly #directory: string;
  readonly #maxBytes: number;
  readonly #onEvict: ((key: string) => void) | undefined;
  /** One at a time, so that two commits do not count on the same room. */
  readonly #publishing = pLimit(1);
  #prepared: Promise<void> | undefined;

  /** @throws SnapshotError `INVALID_OPTIONS` */
  constructor(options: FileSystemStoreOptions) {
    const { directory, maxBytes, onEvict } = parseFileSystemStoreOptions(options);
    this.#directory = resolve(directory);
    this.#maxBytes = maxBytes ?? Number.POSITIVE_INFINITY;
    this.#onEvict = onEvict;
  }

  async stat(
    key: string,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<StoredObject | undefined> {
    signal?.throwIfAborted();
    return withStoreFailure(async () => {
      const file = await this.#find(objectFileName(key));
      await file?.handle.close();
      return file?.object;
    });
  }

  async open(
    key: string,
    { range, revision, signal }: OpenOptions = {},
  ): Promise<OpenedObject | undefined> {
    signal?.throwIfAborted();
    return withStoreFailure(async () => {
      const file = await this.#find(objectFileName(key));
      if (file === undefined) return undefined;
      const { handle, object } = file;
      return closingUnlessKept(handle, async () => {
        if (revision !== undefined && revision !== object.revision) return undefined;
        const slice = sliceOf(range, object.size);
        await touch(file);
        signal?.throwIfAborted();
        return { ...object, body: new FileBody(handle, slice, signal) };
      });
    });
  }

  async create(
    key: string,
    metadata: Metadata,
    { signal, expendable = false }: CreateOptions = {},
  ): Promise<ObjectWriter> {
    signal?.throwIfAborted();
    const kept = { ...metadata };
    const path = join(this.#directory, temporaryName('object'));
    const handle = await withStoreFailure(async () => {
      await this.#prepare();
      return open(path, 'wx');
    });
    let size = 0;
    const target = {
      append: (chunk: Uint8Array) =>
        withStoreFailure(async () => {
          await handle.appendFile(chunk);
          size += chunk.length;
        }),
      publish: () =>
        withStoreFailure(async () => {
          const object = describeObject(key, size, kept, expendable);
          const fileSize = await seal(handle, object);
          await handle.close();
          await this.#publish(path, fileSize, object);
          return object;
        }),
      discard: () =>
        withStoreFailure(async () => {
          await handle.close();
          await unlessMissing(unlink(path));
        }),
    };
    return new TargetWriter(target, signal);
  }

  /** Also appends to the file: whoever has it open must know where its bytes end. */
  async adopt(
    key: string,
    file: string,
    metadata: Metadata,
    { expendable = false, signal }: AdoptOptions = {},
  ): Promise<StoredObject> {
    signal?.throwIfAborted();
    const kept = { ...metadata };
    return withStoreFailure(async () => {
      await this.#prepare();
      const handle = await open(file, constants.O_WRONLY | constants.O_APPEND);
      try {
        const { size, mode } = await handle.stat();
        const object = describeObject(key, size, kept, expendable);
        try {
          await this.#publish(file, await seal(handle, object), object);
        } catch (error) {
          await handle.truncate(size);
          await markRank(handle, isMarkedExpendable(mode));
          throw error;
        }
        return object;
      } finally {
        await handle.close();
      }
    });
  }

  async delete(key: string): Promise<void> {
    await withStoreFailure(async () => {
      await this.#prepare();
      await unlessMissing(unlink(join(this.#directory, objectFileName(key))));
    });
  }

  async *list(): AsyncGenerator<StoredObject> {
    const names = await withStoreFailure(async () => {
      await this.#prepare();
      return readdir(this.#directory);
    });
    for (const name of names.filter(isObjectFileName)) {
      const file = await withStoreFailure(() => this.#find(name));
      await file?.handle.close();
      if (file !== undefined) yield file.object;
    }
  }

  /** Before the first use; tried again after a failure. */
  #prepare(): Promise<void> {
    this.#prepared ??= (async () => {
      try {
        await prepareDirectory(this.#directory);
      } catch (error) {
        this.#prepared = undefined;
        throw error;
      }
    })();
    return this.#prepared;
  }

  /**
   * Opens an object file. One that is not whole, or is not this object's, is a miss and is removed; so
   * may be, in a race, a good one that another process has put there since: an eviction like any other.
   */
  async #find(name: string): Promise<ObjectFile | undefined> {
    await this.#prepare();
    const path = join(this.#directory, name);
    const handle = await unlessMissing(open(path, 'r'));
    if (handle === undefined) return undefined;
    const found = await closingUnlessKept(handle, async () => {
      const { size, mtimeMs } = await handle.stat();
      const object = await readTrailer(handle, size);
      if (object === undefined || objectFileName(object.key) !== name) return undefined;
      return { handle, object, usedAt: mtimeMs };
    });
    if (found === undefined) await unlessMissing(unlink(path));
    return found;
  }

  /** Whatever its mode says, an object that is not expendable stays when it must be. */
  async #evict(name: string, onlyExpendable: boolean): Promise<boolean> {
    const file = await this.#find(name);
    await file?.handle.close();
    if (onlyExpendable && file?.object.expendable === false) return false;
    await unlessMissing(unlink(join(this.#directory, name)));
    if (file !== undefined) this.#onEvict?.(file.object.key);
    return true;
  }

  /** Makes a sealed file the key's object. The rename is the last thing that can fail. */
  #publish(file: string, bytes: number, { key, expendable }: StoredObject): Promise<void> {
    return this.#publishing(async () => {
      const name = objectFileName(key);
      const target = join(this.#directory, name);
      const evict = (other: string) => this.#evict(other, expendable);
      const fits =
        this.#maxBytes === Number.POSITIVE_INFINITY ||
        (await makeRoom(this.#directory, this.#maxBytes, { name, bytes, expendable }, evict));
      if (fits) {
        await moveFile(file, target);
      } else {
        await unlessMissing(unlink(target));
        await unlink(file);
      }
    });
  }
}

/**
 * Completes an object file; gives its size in bytes. Synced before it is renamed: a power failure may
 * undo the rename, but cannot leave a name without the bytes.
 */
async function seal(handle: FileHandle, object: StoredObject): Promise<number> {
  const trailer = encodeTrailer(object);
  await handle.appendFile(trailer);
  await markRank(handle, object.expendable);
  await handle.datasync();
  return object.size + trailer.length;
}

async function touch({ handle, usedAt }: ObjectFile): Promise<void> {
  const now = new Date();
  if (now.getTime() - usedAt < TOUCH_INTERVAL) return;
  try {
    await handle.utimes(now, now);
  } catch (error) {
    // A directory that this process may only read
    if (!hasCode(error) || !['EPERM', 'EACCES', 'EROFS'].includes(error.code)) throw error;
  }
}

/** Closes the handle unless `work` answers something that holds it. */
async function closingUnlessKept<T>(
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

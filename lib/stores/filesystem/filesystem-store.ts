import { constants, type FileHandle, mkdir, open, readdir, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import pLimit from 'p-limit';
import { startup } from '../../async/retry.js';
import type { SignalOptions } from '../../async/signal-options.js';
import { callHost } from '../../call-host.js';
import { checkOptions } from '../../check-options.js';
import { unlessMissing, withStoreFailure } from '../../fs/errors.js';
import { moveFile } from '../../fs/move-file.js';
import { syncData } from '../../fs/sync-data.js';
import { inDirectory, prepareDirectory, temporaryName } from '../../fs/temporary.js';
import { chunksOf, endBody } from '../body.js';
import type { Evictable } from '../evictable.js';
import { newVersion } from '../new-version.js';
import { sliceOf } from '../range.js';
import { READ_BYTES, SpareBuffers } from '../recycling-body.js';
import type {
  ListOptions,
  OpenedObject,
  OpenOptions,
  Priority,
  PutOptions,
  SnapshotStore,
  StoredObject,
} from '../store.js';
import { makeRoom, objectFiles } from './make-room.js';
import {
  encodeTrailer,
  isObjectFileName,
  markedPriority,
  markPriority,
  objectFileName,
  readableStart,
} from './object-file.js';
import {
  closingUnlessKept,
  FileBody,
  findObject,
  type ObjectFile,
  touch,
} from './open-object-file.js';
import type { FileSystemStoreOptions } from './options.js';
import { ReplacedFiles } from './replaced-files.js';
import { type FileSystemStoreConfig, fileSystemStoreSchema } from './schema.js';

/** Buffers that are kept for the next reads: 4 MiB. */
const SPARE_BUFFERS = 16;

/**
 * Keeps each object as one file of a directory. Any number of processes may share the directory: a
 * file is written under a temporary name, synced and renamed, and read through one descriptor.
 *
 * It does not write conditionally: a file system can't compare and rename in one step, and has no
 * lock that is freed when its holder dies.
 */
export class FileSystemStore implements SnapshotStore, AsyncDisposable {
  readonly #directory: string;
  readonly #config: FileSystemStoreConfig;
  /** One at a time, so that two writes do not count on the same free room. */
  readonly #publishing = pLimit(1);
  readonly #replaced: ReplacedFiles;
  readonly #spare = new SpareBuffers(READ_BYTES, SPARE_BUFFERS);
  /** Makes the directory and removes leftovers, before the first use. */
  readonly #prepare: () => Promise<void>;

  /** @throws SnapshotError `INVALID_OPTIONS` */
  constructor(options: FileSystemStoreOptions) {
    this.#config = checkOptions(fileSystemStoreSchema, options, 'FileSystemStore');
    this.#directory = resolve(this.#config.directory);
    this.#replaced = new ReplacedFiles(this.#directory, this.#config);
    this.#prepare = startup(() =>
      withStoreFailure(async () => {
        await prepareDirectory(this.#directory);
        await this.#replaced.sweep();
      }),
    );
  }

  async stat(key: string, { signal }: SignalOptions = {}): Promise<StoredObject | undefined> {
    signal?.throwIfAborted();
    return withStoreFailure(() => this.#describe(objectFileName(key)));
  }

  async open(key: string, options: OpenOptions = {}): Promise<OpenedObject | undefined> {
    const { range, revision, signal } = options;
    signal?.throwIfAborted();
    return withStoreFailure(async () => {
      const file = await this.#findRevision(objectFileName(key), revision);
      if (file === undefined) return undefined;
      const { handle, object } = file;
      return closingUnlessKept(handle, async () => {
        const slice = sliceOf(range, object.size);
        await touch(file);
        signal?.throwIfAborted();
        return { ...object, body: new FileBody(handle, slice, signal, this.#spare) };
      });
    });
  }

  async put(
    key: string,
    body: AsyncIterable<Uint8Array>,
    { metadata, ...options }: PutOptions = {},
  ): Promise<StoredObject> {
    const kept = { ...metadata };
    const path = join(this.#directory, temporaryName('object'));
    try {
      const handle = await withStoreFailure(async () => {
        await this.#prepare();
        return inDirectory(this.#directory, () => open(path, 'wx'));
      });
      try {
        let size = 0;
        for await (const chunk of chunksOf(body, options.signal)) {
          await withStoreFailure(() => handle.appendFile(chunk));
          size += chunk.length;
        }
        return await withStoreFailure(() =>
          this.#publish(handle, path, { key, size, metadata: kept }, options),
        );
      } finally {
        await handle.close();
      }
    } catch (error) {
      endBody(body);
      await unlink(path).catch(() => {}); // the first failure is the one to report
      throw error;
    }
  }

  /**
   * Appends a trailer to the file, so readers that have it open must know the size of its content.
   */
  async putFile(
    key: string,
    file: string,
    { metadata, ...options }: PutOptions = {},
  ): Promise<StoredObject> {
    options.signal?.throwIfAborted();
    const kept = { ...metadata };
    return withStoreFailure(async () => {
      await this.#prepare();
      const handle = await open(file, constants.O_WRONLY | constants.O_APPEND);
      try {
        const { size, mode } = await handle.stat();
        try {
          return await this.#publish(handle, file, { key, size, metadata: kept }, options);
        } catch (error) {
          await handle.truncate(size);
          await unlessMissing(markPriority(file, markedPriority(mode)));
          throw error;
        }
      } finally {
        await handle.close();
      }
    });
  }

  async delete(key: string, { signal }: SignalOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    await withStoreFailure(async () => {
      await this.#prepare();
      const name = objectFileName(key);
      await unlessMissing(unlink(join(this.#directory, name)));
      await this.#replaced.drop(name);
    });
  }

  async listReplaced(key: string, { signal }: SignalOptions = {}): Promise<StoredObject[]> {
    signal?.throwIfAborted();
    return withStoreFailure(async () => {
      const name = objectFileName(key);
      const stored = await this.#describe(name);
      if (stored === undefined) return [];
      const found = new Map<string, StoredObject>();
      for (const file of await this.#replaced.namesOf(name)) {
        const object = await this.#describe(name, file);
        if (object !== undefined) found.set(object.revision, object);
      }
      // A write kept the stored version as a replaced one, and then failed.
      found.delete(stored.revision);
      return [...found.values()];
    });
  }

  /** The stored objects, for a host app that needs room on the disk. */
  async listEvictable(): Promise<Evictable[]> {
    const files = await withStoreFailure(() => objectFiles(this.#directory));
    return files.map(({ name, bytes, usedAt }) => {
      const evict = () => this.#publishing(() => this.#evict(name, 'normal'));
      return { bytes, usedAt, evict: async () => void (await withStoreFailure(evict)) };
    });
  }

  /** Stops a timer; files stay. */
  async close(): Promise<void> {
    this.#replaced.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Opens only files whose names begin as those of keys with the prefix do. */
  async *list({ prefix = '', signal }: ListOptions = {}): AsyncGenerator<StoredObject> {
    const names = await withStoreFailure(async () => {
      await this.#prepare();
      return (await unlessMissing(readdir(this.#directory))) ?? [];
    });
    const beginning = readableStart(prefix);
    for (const name of names.filter(isObjectFileName)) {
      if (!name.startsWith(beginning)) continue;
      signal?.throwIfAborted();
      const object = await withStoreFailure(() => this.#describe(name));
      if (object?.key.startsWith(prefix)) yield object;
    }
  }

  async #find(name: string, file = name): Promise<ObjectFile | undefined> {
    await this.#prepare();
    return findObject(join(this.#directory, file), name);
  }

  async #describe(name: string, file = name): Promise<StoredObject | undefined> {
    const found = await this.#find(name, file);
    await found?.handle.close();
    return found?.object;
  }

  /** Finds a version of the object, stored or replaced. Default: the stored one. */
  async #findRevision(name: string, revision: string | undefined): Promise<ObjectFile | undefined> {
    const isWanted = ({ object }: ObjectFile) =>
      revision === undefined || revision === object.revision;
    const stored = await this.#find(name);
    if (stored === undefined || isWanted(stored)) return stored;
    await stored.handle.close();
    for (const replaced of await this.#replaced.namesOf(name)) {
      const file = await this.#find(name, replaced);
      if (file !== undefined && isWanted(file)) return file;
      await file?.handle.close();
    }
    return undefined;
  }

  /** The trailer decides about the priority, even if the mode of the file differs. */
  async #evict(name: string, newcomer: Priority): Promise<boolean> {
    const object = await this.#describe(name);
    if (newcomer === 'low' && object?.priority === 'normal') return false;
    await unlessMissing(unlink(join(this.#directory, name)));
    if (object !== undefined) callHost('onEvict', () => this.#config.onEvict?.(object.key));
    return true;
  }

  /** Makes a file with the object's bytes the key's object. */
  async #publish(
    handle: FileHandle,
    path: string,
    described: Pick<StoredObject, 'key' | 'size' | 'metadata'>,
    { ifRevision, priority = 'normal', signal }: Omit<PutOptions, 'metadata'>,
  ): Promise<StoredObject> {
    const object = { ...described, priority, ...newVersion() };
    const bytes = await seal(handle, path, object);
    await this.#publishing(async () => {
      // Another program may have removed the directory, together with a file that was in it.
      if (dirname(path) !== this.#directory) await mkdir(this.#directory, { recursive: true });
      const name = objectFileName(object.key);
      const target = join(this.#directory, name);
      if (typeof ifRevision === 'string') await this.#replaced.keep(name);
      const evict = (other: string) => this.#evict(other, priority);
      const { maxBytes } = this.#config;
      const fits =
        maxBytes === undefined ||
        (await makeRoom(this.#directory, maxBytes, { name, bytes, priority }, evict));
      signal?.throwIfAborted();
      if (fits) {
        await moveFile(path, target); // the last step that can fail
      } else {
        await unlessMissing(unlink(target));
        await this.#replaced.drop(name);
        await unlink(path);
      }
    });
    return object;
  }
}

/**
 * Completes an object file and returns its size in bytes. It is synced before it is renamed: a
 * power failure may undo the rename, but can't leave a name without the bytes.
 */
async function seal(
  handle: FileHandle,
  path: string,
  object: StoredObject & { readonly priority: Priority },
): Promise<number> {
  const trailer = encodeTrailer(object);
  await handle.appendFile(trailer);
  await markPriority(path, object.priority);
  await syncData(handle);
  return object.size + trailer.length;
}

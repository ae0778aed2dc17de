import { open, unlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { orLater } from '../../async/deadline.js';
import { startup } from '../../async/retry.js';
import type { SignalOptions } from '../../async/signal-options.js';
import { checkOptions } from '../../check-options.js';
import { withStoreFailure } from '../../fs/errors.js';
import { inDirectory, prepareDirectory, temporaryName } from '../../fs/temporary.js';
import { chunksOf, endBody } from '../body.js';
import type { Evictable } from '../evictable.js';
import { sliceOf } from '../range.js';
import { READ_BYTES, SpareBuffers } from '../recycling-body.js';
import type {
  GetFileOptions,
  ListOptions,
  OpenedObject,
  OpenOptions,
  PutOptions,
  SnapshotStore,
  StoredFile,
  StoredObject,
} from '../store.js';
import { FileIndex } from './file-index.js';
import { filesOf } from './folders.js';
import { isObjectFileName, objectFileName, placeOf } from './object-file.js';
import { ObjectWriter } from './object-writer.js';
import {
  closingUnlessKept,
  FileBody,
  findObject,
  type ObjectFile,
  openBytes,
  touch,
} from './open-object-file.js';
import type { FileSystemStoreOptions } from './options.js';
import { ReplacedFiles } from './replaced-files.js';
import { type FileSystemStoreConfig, fileSystemStoreSchema } from './schema.js';

/** Attempts to open an object that other processes may replace meanwhile. */
const MAX_OPEN_ATTEMPTS = 5;
/** Milliseconds for which the first use of a store waits until the directory was read. */
const MAX_LOADING = 500;
/** Buffers that are kept for the next reads: 4 MiB. */
const SPARE_BUFFERS = 16;

/**
 * Keeps each object as two files: its bytes, and its description. Any number of processes may share
 * the directory: files are written under temporary names, synced, renamed, read by one descriptor.
 *
 * It does not write conditionally: a file system can't compare and rename in one step, and has no
 * lock that is freed when its holder dies.
 */
export class FileSystemStore implements SnapshotStore, AsyncDisposable {
  readonly #directory: string;
  readonly #config: FileSystemStoreConfig;
  readonly #replaced: ReplacedFiles;
  readonly #index: FileIndex;
  readonly #writer: ObjectWriter;
  readonly #spare = new SpareBuffers(READ_BYTES, SPARE_BUFFERS);
  /** Makes the directory and removes leftovers, before the first use. */
  readonly #prepare: () => Promise<void>;

  /** @throws SnapshotError `INVALID_OPTIONS` */
  constructor(options: FileSystemStoreOptions) {
    this.#config = checkOptions(fileSystemStoreSchema, options, 'FileSystemStore');
    this.#directory = resolve(this.#config.directory);
    this.#replaced = new ReplacedFiles(this.#directory, this.#config);
    this.#index = new FileIndex(this.#directory, this.#config.maxBytes, this.#replaced);
    this.#writer = new ObjectWriter(this.#directory, this.#config, this.#index, this.#replaced);
    this.#prepare = startup(() =>
      withStoreFailure(async () => {
        await prepareDirectory(this.#directory);
        await orLater(this.#writer.load(), MAX_LOADING);
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
      const opened = await this.#openRevision(objectFileName(key), revision);
      if (opened === undefined) return undefined;
      const { file, handle, object } = opened;
      return closingUnlessKept(handle, async () => {
        const slice = sliceOf(range, object.size);
        this.#use(file);
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
          this.#writer.publish(handle, path, { key, size, metadata: kept }, options),
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

  async putFile(
    key: string,
    file: string,
    { metadata, ...options }: PutOptions = {},
  ): Promise<StoredObject> {
    options.signal?.throwIfAborted();
    const kept = { ...metadata };
    return withStoreFailure(async () => {
      await this.#prepare();
      const handle = await open(file, 'r+');
      try {
        const { size } = await handle.stat();
        return await this.#writer.publish(handle, file, { key, size, metadata: kept }, options);
      } finally {
        await handle.close();
      }
    });
  }

  async getFile(
    key: string,
    { revision, signal }: GetFileOptions,
  ): Promise<StoredFile | undefined> {
    signal?.throwIfAborted();
    return withStoreFailure(async () => {
      const file = await this.#findRevision(objectFileName(key), revision);
      if (file === undefined) return undefined;
      this.#use(file);
      return { directory: this.#directory, path: file.bytesName };
    });
  }

  async delete(key: string, { signal }: SignalOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    await withStoreFailure(async () => {
      await this.#prepare();
      await this.#writer.remove(objectFileName(key));
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
    return await this.#writer.listEvictable();
  }

  /** Stops a timer; files stay. */
  async close(): Promise<void> {
    this.#replaced.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Reads only the folders, and opens only the files, that keys with the prefix may have. */
  async *list({ prefix = '', signal }: ListOptions = {}): AsyncGenerator<StoredObject> {
    const names = await withStoreFailure(async () => {
      await this.#prepare();
      return filesOf(this.#directory, placeOf(prefix));
    });
    for (const name of names.filter(isObjectFileName)) {
      signal?.throwIfAborted();
      const object = await withStoreFailure(() => this.#describe(name));
      if (object?.key.startsWith(prefix)) yield object;
    }
  }

  /** Nobody waits until the time of the use is written. */
  #use(file: ObjectFile): void {
    this.#index.use(objectFileName(file.object.key));
    void touch(file).catch(() => {}); // only the order of evictions suffers
  }

  async #find(name: string, file = name): Promise<ObjectFile | undefined> {
    await this.#prepare();
    return findObject(this.#directory, name, file);
  }

  async #describe(name: string, file = name): Promise<StoredObject | undefined> {
    return (await this.#find(name, file))?.object;
  }

  /** Finds a version of the object, stored or replaced. Default: the stored one. */
  async #findRevision(name: string, revision: string | undefined): Promise<ObjectFile | undefined> {
    const isWanted = ({ object }: ObjectFile) =>
      revision === undefined || revision === object.revision;
    const stored = await this.#find(name);
    if (stored === undefined || isWanted(stored)) return stored;
    for (const replaced of await this.#replaced.namesOf(name)) {
      const file = await this.#find(name, replaced);
      if (file !== undefined && isWanted(file)) return file;
    }
    return undefined;
  }

  /** As `#findRevision`, and opens the bytes, which may be gone since they were found. */
  async #openRevision(name: string, revision: string | undefined) {
    for (let attempt = 0; attempt < MAX_OPEN_ATTEMPTS; attempt++) {
      const file = await this.#findRevision(name, revision);
      if (file === undefined) break;
      const handle = await openBytes(this.#directory, file);
      if (handle !== undefined) return { file, handle, object: file.object };
    }
    return undefined;
  }
}

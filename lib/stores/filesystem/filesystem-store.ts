import { type FileHandle, open, readdir, unlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import pLimit from 'p-limit';
import { startup } from '../../async/retry.js';
import type { SignalOptions } from '../../async/signal-options.js';
import { callHost } from '../../call-host.js';
import { checkOptions } from '../../check-options.js';
import { unlessMissing, withStoreFailure } from '../../fs/errors.js';
import { prepareDirectory, temporaryName } from '../../fs/temporary.js';
import { chunksOf, endBody } from '../body.js';
import { newVersion } from '../new-version.js';
import { sliceOf } from '../range.js';
import { READ_BYTES, SpareBuffers } from '../recycling-body.js';
import type {
  GetFileOptions,
  ListOptions,
  OpenedObject,
  OpenOptions,
  Priority,
  PutOptions,
  SnapshotStore,
  StoredFile,
  StoredObject,
} from '../store.js';
import { makeRoom } from './make-room.js';
import {
  bytesFileName,
  encodeDescription,
  isObjectFileName,
  objectFileName,
  readableStart,
} from './object-file.js';
import {
  closingUnlessKept,
  FileBody,
  findObject,
  type ObjectFile,
  openBytes,
  touch,
} from './open-object-file.js';
import type { FileSystemStoreOptions } from './options.js';
import { removeOrphans } from './orphans.js';
import { publishFiles } from './publish-files.js';
import { ReplacedFiles } from './replaced-files.js';
import { type FileSystemStoreConfig, fileSystemStoreSchema } from './schema.js';

/** Attempts to open an object that other processes may replace meanwhile. */
const MAX_OPEN_ATTEMPTS = 5;
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
        await removeOrphans(this.#directory);
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
        return open(path, 'wx');
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
        return await this.#publish(handle, file, { key, size, metadata: kept }, options);
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
      await touch(file);
      return { directory: this.#directory, path: file.bytesName };
    });
  }

  async delete(key: string, { signal }: SignalOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    await withStoreFailure(async () => {
      await this.#prepare();
      await this.#publishing(() => this.#remove(objectFileName(key)));
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
      return readdir(this.#directory);
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

  /** The description decides about the priority, even if the mode of its file differs. */
  async #evict(name: string, newcomer: Priority): Promise<boolean> {
    const found = await this.#find(name);
    if (newcomer === 'low' && found?.object.priority === 'normal') return false;
    await unlessMissing(unlink(join(this.#directory, name)));
    if (found === undefined) return true;
    await unlessMissing(unlink(join(this.#directory, found.bytesName)));
    callHost('onEvict', () => this.#config.onEvict?.(found.object.key));
    return true;
  }

  async #remove(name: string): Promise<void> {
    const found = await this.#find(name);
    await unlessMissing(unlink(join(this.#directory, name)));
    if (found !== undefined) await unlessMissing(unlink(join(this.#directory, found.bytesName)));
    await this.#replaced.drop(name);
  }

  /** Makes a file with the object's bytes the key's object. */
  async #publish(
    handle: FileHandle,
    path: string,
    described: Pick<StoredObject, 'key' | 'size' | 'metadata'>,
    { ifRevision, priority = 'normal', signal }: Omit<PutOptions, 'metadata'>,
  ): Promise<StoredObject> {
    const object = { ...described, priority, ...newVersion() };
    const description = encodeDescription(object);
    await handle.datasync();
    await this.#publishing(async () => {
      const name = objectFileName(object.key);
      const found = typeof ifRevision === 'string' ? await this.#find(name) : undefined;
      const kept = found?.object.revision;
      const isKept = kept !== undefined && (await this.#replaced.keep(name, kept));
      const evict = (other: string) => this.#evict(other, priority);
      const bytes = object.size + description.length;
      const { maxBytes } = this.#config;
      const fits =
        maxBytes === undefined ||
        (await makeRoom(this.#directory, maxBytes, { name, bytes, priority }, evict));
      signal?.throwIfAborted();
      if (!fits) {
        await this.#remove(name);
        await unlink(path);
        return;
      }
      const replaced = await publishFiles(this.#directory, path, object, description);
      if (replaced === undefined || (isKept && replaced === kept)) return;
      await unlessMissing(unlink(join(this.#directory, bytesFileName(name, replaced))));
    });
    return object;
  }
}

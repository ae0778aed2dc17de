import { type FileHandle, mkdir, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import pLimit from 'p-limit';
import { callHost } from '../../call-host.js';
import { unlessMissing, withStoreFailure } from '../../fs/errors.js';
import { syncData } from '../../fs/sync-data.js';
import type { Evictable } from '../evictable.js';
import { newVersion } from '../new-version.js';
import type { Priority, PutOptions, StoredObject } from '../store.js';
import { type FileIndex, type IndexedObject, objectFiles } from './file-index.js';
import { filesOf, removeEmptyFolders } from './folders.js';
import { makeRoom } from './make-room.js';
import { bytesFileName, encodeDescription, type FileName, objectFileName } from './object-file.js';
import { findObject } from './open-object-file.js';
import { publishFiles } from './publish-files.js';
import type { ReplacedFiles } from './replaced-files.js';
import type { FileSystemStoreConfig } from './schema.js';

/** Publishes and removes the objects of a directory, and keeps them within the budget. */
export class ObjectWriter {
  readonly #directory: string;
  readonly #config: FileSystemStoreConfig;
  readonly #index: FileIndex;
  readonly #replaced: ReplacedFiles;
  /** One at a time, so that two writes do not count on the same free room. */
  readonly #publishing = pLimit(1);

  constructor(
    directory: string,
    config: FileSystemStoreConfig,
    index: FileIndex,
    replaced: ReplacedFiles,
  ) {
    this.#directory = directory;
    this.#config = config;
    this.#index = index;
    this.#replaced = replaced;
  }

  /** Reads the directory into the index. Then the files may exceed the budget. */
  async load(): Promise<void> {
    await this.#index.load();
    await this.#publishing(() => this.#makeRoom({ bytes: 0, priority: 'normal' }));
  }

  /** Makes a file with the object's bytes the key's object. */
  async publish(
    handle: FileHandle,
    path: string,
    described: Pick<StoredObject, 'key' | 'size' | 'metadata'>,
    { ifRevision, priority = 'normal', signal }: Omit<PutOptions, 'metadata'>,
  ): Promise<StoredObject> {
    const object = { ...described, priority, ...newVersion() };
    const description = encodeDescription(object);
    await syncData(handle);
    await this.#publishing(async () => {
      // Another program may have removed the directory, together with a file that was in it.
      if (dirname(path) !== this.#directory) await mkdir(this.#directory, { recursive: true });
      const name = objectFileName(object.key);
      const found =
        typeof ifRevision === 'string' ? await findObject(this.#directory, name) : undefined;
      const kept = found?.object.revision;
      const isKept =
        found !== undefined &&
        (await this.#replaced.keep(name, found.object.revision, bytesOf(found.object)));
      const bytes = object.size + description.length;
      // The newcomer takes the place of the object that it replaces.
      const indexed = this.#index.delete(name);
      let replaced: string | undefined;
      try {
        const fits = await this.#makeRoom({ bytes, priority });
        signal?.throwIfAborted();
        if (!fits) {
          await this.#remove(name);
          await unlink(path);
          return;
        }
        replaced = await publishFiles(this.#directory, path, object, description);
      } catch (error) {
        if (indexed !== undefined) this.#index.restore(indexed);
        throw error;
      }
      this.#index.add(name, bytes, priority);
      if (this.#index.isOld) void this.load().catch(() => {}); // the next write tries again
      if (replaced === undefined || (isKept && replaced === kept)) return;
      await unlessMissing(unlink(join(this.#directory, bytesFileName(name, replaced))));
    });
    return object;
  }

  /** Removes an object, and its replaced versions. */
  async remove(name: FileName): Promise<void> {
    await this.#publishing(() => this.#remove(name));
  }

  /** As `FileSystemStore.listEvictable`. It also lists what other processes have written. */
  async listEvictable(): Promise<Evictable[]> {
    const objects = await withStoreFailure(async () => {
      const files = await filesOf(this.#directory, { folder: '', start: '' });
      return await objectFiles(this.#directory, files);
    });
    return objects.map((object) => {
      const evict = async () => {
        // Somebody may have used, replaced or removed it since.
        if (!(await this.#index.refresh(object))) return;
        const removed = await this.#remove(object.name);
        if (removed !== undefined) this.#tellEvicted(removed);
      };
      const { bytes, usedAt } = object;
      return { bytes, usedAt, evict: () => withStoreFailure(() => this.#publishing(evict)) };
    });
  }

  async #makeRoom(newcomer: { bytes: number; priority: Priority }): Promise<boolean> {
    const { maxBytes } = this.#config;
    if (maxBytes === undefined) return true;
    const evict = (object: IndexedObject) => this.#evict(object, newcomer.priority);
    const parts = { index: this.#index, replaced: this.#replaced, evict };
    // Until the directory was read, nobody knows which objects to evict.
    return this.#index.isLoaded
      ? await makeRoom(parts, maxBytes, newcomer)
      : newcomer.bytes <= maxBytes;
  }

  /** The description decides about the priority, even if the mode of its file differs. */
  async #evict({ name }: IndexedObject, newcomer: Priority): Promise<boolean> {
    const found = await findObject(this.#directory, name);
    if (newcomer === 'low' && found?.object.priority === 'normal') return false;
    await unlessMissing(unlink(join(this.#directory, name)));
    if (found === undefined) return true;
    await unlessMissing(unlink(join(this.#directory, found.bytesName)));
    await removeEmptyFolders(this.#directory, name);
    this.#tellEvicted(found.object);
    return true;
  }

  #tellEvicted({ key }: StoredObject): void {
    callHost('onEvict', () => this.#config.onEvict?.(key));
  }

  /** @returns the object; `undefined`: there was none. */
  async #remove(name: FileName): Promise<StoredObject | undefined> {
    const found = await findObject(this.#directory, name);
    await unlessMissing(unlink(join(this.#directory, name)));
    if (found !== undefined) await unlessMissing(unlink(join(this.#directory, found.bytesName)));
    await this.#replaced.drop(name);
    this.#index.delete(name);
    await removeEmptyFolders(this.#directory, name);
    return found?.object;
  }
}

/** Bytes of both files of an object. */
function bytesOf(object: StoredObject): number {
  return object.size + encodeDescription(object).length;
}

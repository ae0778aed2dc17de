import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { elapsedSince, LONG_AGO, now } from '../../async/clock.js';
import { unlessMissing } from '../../fs/errors.js';
import type { Occupant } from '../eviction.js';
import type { Priority } from '../store.js';
import { filesOf } from './folders.js';
import {
  type FileName,
  isObjectFileName,
  markedPriority,
  ownerOfBytes,
  readDescription,
} from './object-file.js';
import { removeOrphans } from './orphans.js';
import {
  type ReplacedFile,
  type ReplacedFiles,
  replacedFiles,
  replacedOf,
} from './replaced-files.js';

/** Milliseconds after which the directory is read again: other processes write, too. */
const RELOAD_AFTER = 10 * 60_000;
/** It is also read again when this process has written this part of the budget. */
const RELOAD_SHARE = 0.05;

export interface IndexedObject extends Occupant {
  /** Of the description. */
  readonly name: FileName;
  /** When it was last used: milliseconds since the epoch. */
  readonly usedAt: number;
}

type ByPriority = Readonly<Record<Priority, Objects>>;

type Change = (objects: ByPriority) => void;

/** Objects by name, the least recently used first. */
class Objects {
  readonly #byName = new Map<FileName, IndexedObject>();
  bytes = 0;

  set(object: IndexedObject): void {
    this.delete(object.name);
    this.#byName.set(object.name, object);
    this.bytes += object.bytes;
  }

  get(name: FileName): IndexedObject | undefined {
    return this.#byName.get(name);
  }

  delete(name: FileName): void {
    this.bytes -= this.#byName.get(name)?.bytes ?? 0;
    this.#byName.delete(name);
  }

  first(): IndexedObject | undefined {
    return this.#byName.values().next().value;
  }
}

/**
 * Sizes and last uses of the objects in a directory, in memory, so that a write does not ask the
 * file system for each of them. It is read from the directory once, and again from time to time: it
 * does not know the newest writes of other processes. So whoever evicts an object looks at its
 * file first: see `refresh`.
 */
export class FileIndex {
  readonly #directory: string;
  readonly #maxBytes: number;
  readonly #replaced: ReplacedFiles;
  #objects: ByPriority = { normal: new Objects(), low: new Objects() };
  /** Changes that were made while the directory was read. */
  #changes: Change[] | undefined;
  #loading: Promise<void> | undefined;
  #loadedAt = LONG_AGO;
  #writtenBytes = 0;

  constructor(directory: string, maxBytes: number | undefined, replaced: ReplacedFiles) {
    this.#directory = directory;
    this.#maxBytes = maxBytes ?? Number.POSITIVE_INFINITY;
    this.#replaced = replaced;
  }

  /** Whether the directory was read once. Before that, the index has this process's writes only. */
  get isLoaded(): boolean {
    return this.#loadedAt !== LONG_AGO;
  }

  /** Bytes of all objects, and of the replaced versions. */
  get bytes(): number {
    return this.#objects.normal.bytes + this.#objects.low.bytes + this.#replaced.bytes;
  }

  bytesOf(priority: Priority): number {
    return this.#objects[priority].bytes;
  }

  /** Reads the directory, removes leftovers of crashes, and forgets what it knew. */
  load(): Promise<void> {
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined;
      this.#changes = undefined;
    });
    return this.#loading;
  }

  /** Whether other processes may have written much since the directory was read. */
  get isOld(): boolean {
    const isLate = elapsedSince(this.#loadedAt) > RELOAD_AFTER;
    return isLate || this.#writtenBytes > this.#maxBytes * RELOAD_SHARE;
  }

  /** Notes that an object was written. */
  add(name: FileName, bytes: number, priority: Priority): void {
    this.#writtenBytes += bytes;
    const usedAt = Date.now();
    this.#change((objects) => put(objects, { name, bytes, priority, usedAt }));
  }

  /** Notes that an object was opened. */
  use(name: FileName): void {
    const usedAt = Date.now();
    this.#change((objects) => {
      const known = objects.normal.get(name) ?? objects.low.get(name);
      if (known !== undefined) put(objects, { ...known, usedAt });
    });
  }

  /** @returns what was known. */
  delete(name: FileName): IndexedObject | undefined {
    const known = this.#objects.normal.get(name) ?? this.#objects.low.get(name);
    this.#change(({ normal, low }) => {
      normal.delete(name);
      low.delete(name);
    });
    return known;
  }

  /** Notes that a deleted object is still there. */
  restore(object: IndexedObject): void {
    this.#change((objects) => put(objects, object));
  }

  /** The least recently used object that may be evicted for a newcomer. */
  leastRecentlyUsed(newcomer: Priority): IndexedObject | undefined {
    const low = this.#objects.low.first();
    const normal = newcomer === 'normal' ? this.#objects.normal.first() : undefined;
    if (low === undefined || normal === undefined) return low ?? normal;
    return low.usedAt <= normal.usedAt ? low : normal;
  }

  /**
   * Looks at an object's file before it is evicted.
   *
   * @returns whether the index was right. If not, it is now.
   */
  async refresh({ name, usedAt }: IndexedObject): Promise<boolean> {
    const path = join(this.#directory, name);
    const stats = await unlessMissing(stat(path));
    // Some file systems round the times of files.
    if (stats !== undefined && stats.mtimeMs < usedAt + 1000) return true;
    // Another process has used, replaced or removed it.
    const found = await readDescription(path, name);
    this.delete(name);
    if (stats === undefined || found === undefined) return false;
    if (found === 'invalid') return true;
    const { object, usedAt: touchedAt } = found;
    const bytes = object.size + stats.size;
    const { priority = 'normal' } = object;
    this.#change((objects) => put(objects, { name, bytes, priority, usedAt: touchedAt }));
    return false;
  }

  async #load(): Promise<void> {
    const changes: Change[] = [];
    this.#changes = changes;
    const startedAt = Date.now();
    const files = await filesOf(this.#directory, { folder: '', start: '' });
    await removeOrphans(this.#directory, files);
    const replaced = await replacedFiles(this.#directory, files);
    await this.#replaced.set(replaced, startedAt);
    const objects = { normal: new Objects(), low: new Objects() };
    if (this.#maxBytes !== Number.POSITIVE_INFINITY) {
      const found = await objectFiles(this.#directory, files, replaced);
      for (const one of found.sort((a, b) => a.usedAt - b.usedAt)) put(objects, one);
    }
    for (const change of changes) change(objects);
    this.#objects = objects;
    this.#loadedAt = now();
    this.#writtenBytes = 0;
  }

  #change(change: Change): void {
    change(this.#objects);
    this.#changes?.push(change);
  }
}

function put(objects: ByPriority, object: IndexedObject): void {
  objects[object.priority === 'low' ? 'normal' : 'low'].delete(object.name);
  objects[object.priority].set(object);
}

/**
 * The stored objects among all files of a directory.
 *
 * @param replaced their bytes count for them, not for the object.
 */
export async function objectFiles(
  directory: string,
  names: readonly FileName[],
  replaced: readonly Pick<ReplacedFile, 'bytesName'>[] = replacedOf(names),
): Promise<IndexedObject[]> {
  const isReplaced = new Set(replaced.map(({ bytesName }) => bytesName));
  const files = new Map<FileName, FileName[]>();
  for (const name of names) {
    const owner = isReplaced.has(name) ? undefined : ownerOfBytes(name);
    if (owner !== undefined) files.set(owner.name, [...(files.get(owner.name) ?? []), name]);
  }
  const sizeOf = async (name: FileName, [only, ...more]: readonly FileName[]): Promise<number> => {
    if (only === undefined) return 0;
    if (more.length === 0) return (await unlessMissing(stat(join(directory, only))))?.size ?? 0;
    // Another process replaces the object. Leftovers don't count: they will be removed.
    const found = await readDescription(join(directory, name), name);
    return typeof found === 'object' ? found.object.size : 0;
  };
  const objects: IndexedObject[] = [];
  for (const name of names.filter(isObjectFileName)) {
    const stats = await unlessMissing(stat(join(directory, name)));
    if (stats === undefined) continue;
    const { size, mode, mtimeMs } = stats;
    const bytes = size + (await sizeOf(name, files.get(name) ?? []));
    objects.push({ name, bytes, priority: markedPriority(mode), usedAt: mtimeMs });
  }
  return objects;
}

import { randomUUID } from 'node:crypto';
import { addAbortSignal, Readable } from 'node:stream';
import { z } from 'zod';
import { callback, checkOptions } from '../options.js';
import { budget } from './budget.js';
import { evictable, type Occupant, totalBytes } from './eviction.js';
import { TargetWriter } from './object-writer.js';
import { Pages } from './pages.js';
import { sliceOf } from './range.js';
import { mayReplace, refusal } from './refusal.js';
import type {
  CreateOptions,
  Metadata,
  ObjectWriter,
  OpenedObject,
  OpenOptions,
  SnapshotStore,
  StoredObject,
} from './store.js';

const schema = z.strictObject({
  /**
   * Bytes of all objects, with their keys and metadata; the objects that were not opened for longest
   * go, and only expendable ones for one that is expendable. An object for which that does not make
   * room is not kept: its `commit` succeeds, and the next `open` is a miss.
   */
  maxBytes: budget,
  /** Called with the key of each object that went to make room. */
  onEvict: callback<(key: string) => void>().optional(),
});

/** What `MemoryStore` takes. */
export type MemoryStoreOptions = z.input<typeof schema>;

interface Entry extends Occupant {
  readonly object: StoredObject;
  readonly pages: Pages;
}

/** Keeps objects in the memory of this process: for tests, and for small caches. */
export class MemoryStore implements SnapshotStore {
  readonly abilities = {
    adoptsFiles: false,
    persistent: false,
    ranksObjects: true,
    writesConditionally: true,
  } as const;
  readonly #maxBytes: number;
  readonly #onEvict: ((key: string) => void) | undefined;
  /** The one that was not opened for longest comes first. */
  readonly #entries = new Map<string, Entry>();

  /** @throws SnapshotError `INVALID_OPTIONS` */
  constructor(options: MemoryStoreOptions) {
    const { maxBytes, onEvict } = checkOptions(schema, options, 'MemoryStore');
    this.#maxBytes = maxBytes;
    this.#onEvict = onEvict;
  }

  async stat(
    key: string,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<StoredObject | undefined> {
    signal?.throwIfAborted();
    return this.#entries.get(key)?.object;
  }

  async open(
    key: string,
    { range, revision, signal }: OpenOptions = {},
  ): Promise<OpenedObject | undefined> {
    signal?.throwIfAborted();
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const { object, pages } = entry;
    if (revision !== undefined && revision !== object.revision) return undefined;
    const body = Readable.from(pages.read(sliceOf(range, object.size)), { objectMode: false });
    if (signal !== undefined) addAbortSignal(signal, body);
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return { ...object, body };
  }

  async create(
    key: string,
    metadata: Metadata,
    { signal, expendable = false, replaces }: CreateOptions = {},
  ): Promise<ObjectWriter> {
    signal?.throwIfAborted();
    const kept = Object.freeze({ ...metadata });
    let pages = new Pages();
    let size = 0;
    const target = {
      append: async (chunk: Uint8Array) => {
        size += chunk.length;
        // What is over the budget will not be kept: it is counted, not collected.
        if (size <= this.#maxBytes) pages.append(chunk);
        else pages = new Pages();
      },
      publish: async () => {
        if (!mayReplace(this.#entries.get(key)?.object, replaces)) throw refusal(key);
        pages.trim();
        const revision = randomUUID();
        const storedAt = Date.now();
        const object = Object.freeze({
          key,
          size,
          revision,
          storedAt,
          metadata: kept,
          expendable,
        });
        this.#replace(object, pages);
        return object;
      },
      discard: async () => {
        pages = new Pages();
      },
    };
    return new TargetWriter(target, signal);
  }

  async delete(key: string): Promise<void> {
    this.#entries.delete(key);
  }

  async *list(): AsyncGenerator<StoredObject> {
    for (const { object } of [...this.#entries.values()]) yield object;
  }

  /** What was stored under the key goes, also when there is no room for the new object. */
  #replace(object: StoredObject, pages: Pages): void {
    const { key, size, metadata, expendable } = object;
    this.#entries.delete(key);
    const bytes = size + Buffer.byteLength(JSON.stringify([key, metadata]));
    const stored = [...this.#entries.values()];
    let excess = totalBytes(stored) + bytes - this.#maxBytes;
    const leaving = evictable(stored, excess, object);
    if (leaving === undefined) return;
    for (const entry of leaving) {
      if (excess <= 0) break;
      this.#entries.delete(entry.object.key);
      excess -= entry.bytes;
      this.#onEvict?.(entry.object.key);
    }
    this.#entries.set(key, { object, pages, bytes, expendable });
  }
}

import { randomUUID } from 'node:crypto';
import { addAbortSignal, Readable } from 'node:stream';
import { LRUCache } from 'lru-cache';
import { parseBudget } from './budget.js';
import { TargetWriter } from './object-writer.js';
import { Pages } from './pages.js';
import { sliceOf } from './range.js';
import type {
  Metadata,
  ObjectWriter,
  OpenedObject,
  OpenOptions,
  SnapshotStore,
  StoredObject,
} from './store.js';

export interface MemoryStoreOptions {
  /**
   * Bytes of all objects, with their keys and metadata; the objects that were not opened for longest
   * go. An object larger than this is not kept: its `commit` succeeds, and the next `open` is a miss.
   */
  maxBytes: number;
  /** Called with the key of each object that went to make room. */
  onEvict?: ((key: string) => void) | undefined;
}

interface Entry {
  readonly object: StoredObject;
  readonly pages: Pages;
}

/** Keeps objects in the memory of this process: for tests, and for small caches. */
export class MemoryStore implements SnapshotStore {
  readonly abilities = { adoptsFiles: false, persistent: false } as const;
  readonly #maxBytes: number;
  readonly #entries: LRUCache<string, Entry>;

  /** @throws SnapshotError `INVALID_OPTIONS` */
  constructor({ maxBytes, onEvict }: MemoryStoreOptions) {
    this.#maxBytes = parseBudget(maxBytes);
    this.#entries = new LRUCache({
      maxSize: Math.max(1, maxBytes), // lru-cache has no 0, and no entry is as small as 1
      sizeCalculation: ({ object }) =>
        object.size + Buffer.byteLength(JSON.stringify([object.key, object.metadata])),
      dispose: (_entry, key, reason) => {
        if (reason === 'evict') onEvict?.(key);
      },
    });
  }

  async stat(
    key: string,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<StoredObject | undefined> {
    signal?.throwIfAborted();
    return this.#entries.peek(key)?.object;
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
    return { ...object, body };
  }

  async create(
    key: string,
    metadata: Metadata,
    { signal }: { signal?: AbortSignal | undefined } = {},
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
        pages.trim();
        const revision = randomUUID();
        const object = Object.freeze({ key, size, revision, storedAt: Date.now(), metadata: kept });
        this.#entries.set(key, { object, pages }); // or, over the budget, deletes what was there
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
}

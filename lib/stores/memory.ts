import { Readable } from 'node:stream';
import { destroyOnAbort } from '../async/abort.js';
import type { SignalOptions } from '../async/signal-options.js';
import { callHost } from '../call-host.js';
import { checkOptions } from '../check-options.js';
import { chunksOf } from './body.js';
import { evictable, type Occupant, totalBytes } from './eviction.js';
import { excessive, type Replaced, SweepTimer } from './keep-replaced.js';
import type { MemoryStoreOptions } from './memory-options.js';
import { type MemoryStoreConfig, memoryStoreSchema } from './memory-schema.js';
import { newVersion } from './new-version.js';
import { type Slice, sliceOf } from './range.js';
import type {
  ListOptions,
  OpenedObject,
  OpenOptions,
  PutOptions,
  SnapshotStore,
  StoredObject,
} from './store.js';
import { isConditionMet, preconditionFailure } from './write-condition.js';

type RankedObject = StoredObject & Pick<Occupant, 'priority'>;

interface Entry extends Occupant {
  readonly object: RankedObject;
  readonly pages: Pages;
}

type ReplacedEntry = Entry & Replaced;

/** Keeps objects in the memory of this process: for tests, and for small caches. */
export class MemoryStore implements SnapshotStore, AsyncDisposable {
  readonly writesConditionally: boolean = true;
  readonly #config: MemoryStoreConfig;
  /** The least recently opened first. */
  readonly #entries = new Map<string, Entry>();
  /** The earliest replaced first. */
  #replaced: readonly ReplacedEntry[] = [];
  readonly #timer: SweepTimer;

  /** @throws SnapshotError `INVALID_OPTIONS` */
  constructor(options: MemoryStoreOptions) {
    this.#config = checkOptions(memoryStoreSchema, options, 'MemoryStore');
    this.#timer = new SweepTimer(this.#config, () => this.#keep(this.#replaced));
  }

  async stat(key: string, { signal }: SignalOptions = {}): Promise<StoredObject | undefined> {
    signal?.throwIfAborted();
    return this.#entries.get(key)?.object;
  }

  async open(key: string, options: OpenOptions = {}): Promise<OpenedObject | undefined> {
    const { range, revision, signal } = options;
    signal?.throwIfAborted();
    const stored = this.#entries.get(key);
    const isWanted = ({ object }: Entry) => revision === undefined || revision === object.revision;
    const entry = stored && isWanted(stored) ? stored : this.#replacedOf(key).find(isWanted);
    if (entry === undefined) return undefined;
    const { object, pages } = entry;
    const body = Readable.from(pages.read(sliceOf(range, object.size)), { objectMode: false });
    destroyOnAbort(body, signal);
    if (entry === stored) {
      this.#entries.delete(key);
      this.#entries.set(key, entry);
    }
    return { ...object, body };
  }

  async put(
    key: string,
    body: AsyncIterable<Uint8Array>,
    { metadata, ifRevision, priority = 'normal', signal }: PutOptions = {},
  ): Promise<StoredObject> {
    const kept = Object.freeze({ ...metadata });
    let pages = new Pages();
    let size = 0;
    for await (const chunk of chunksOf(body, signal)) {
      size += chunk.length;
      // An object larger than the budget will not be kept: its bytes are only counted.
      if (size <= this.#config.maxBytes) pages.append(chunk);
      else pages = new Pages();
    }
    if (!isConditionMet(this.#entries.get(key)?.object, ifRevision)) throw preconditionFailure(key);
    pages.trim();
    const object = Object.freeze({ key, size, metadata: kept, priority, ...newVersion() });
    this.#replace(object, pages, typeof ifRevision === 'string');
    return object;
  }

  async delete(key: string, { signal }: SignalOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    this.#forget(key);
  }

  async listReplaced(key: string, { signal }: SignalOptions = {}): Promise<StoredObject[]> {
    signal?.throwIfAborted();
    return this.#replacedOf(key).map(({ object }) => object);
  }

  async *list({ prefix = '', signal }: ListOptions = {}): AsyncGenerator<StoredObject> {
    for (const [key, { object }] of [...this.#entries]) {
      signal?.throwIfAborted();
      if (key.startsWith(prefix)) yield object;
    }
  }

  /** Stops the timer. */
  async close(): Promise<void> {
    this.#timer.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The old object is removed, even if there is no room for the new one. */
  #replace(object: RankedObject, pages: Pages, keepsOld: boolean): void {
    const { key, size, metadata, priority } = object;
    const old = this.#entries.get(key);
    this.#entries.delete(key);
    if (old !== undefined && keepsOld) {
      this.#keep([...this.#replaced, { ...old, priority: 'low', at: Date.now() }]);
    }
    const bytes = size + Buffer.byteLength(JSON.stringify([key, metadata]));
    const occupants = [...this.#replaced, ...this.#entries.values()];
    let excess = totalBytes(occupants) + bytes - this.#config.maxBytes;
    const leaving = evictable(occupants, excess, object);
    const gone = new Set<Entry>();
    for (const entry of leaving ?? []) {
      if (excess <= 0) break;
      gone.add(entry);
      excess -= entry.bytes;
    }
    this.#keep(this.#replaced.filter((entry) => !gone.has(entry)));
    const evicted = [...this.#entries].filter(([, entry]) => gone.has(entry));
    for (const [other] of evicted) this.#entries.delete(other);
    if (leaving !== undefined) this.#entries.set(key, { object, pages, bytes, priority });
    else this.#forget(key);
    // Called last: the host may use the store in `onEvict`.
    for (const [other] of evicted) callHost('onEvict', () => this.#config.onEvict?.(other));
  }

  #forget(key: string): void {
    this.#entries.delete(key);
    this.#keep(this.#replaced.filter(({ object }) => object.key !== key));
  }

  /** The latest replaced first. */
  #replacedOf(key: string): ReplacedEntry[] {
    if (!this.#entries.has(key)) return [];
    return this.#replaced.filter(({ object }) => object.key === key).reverse();
  }

  /** Keeps these replaced versions, except those that have expired or exceed the budget. */
  #keep(replaced: readonly ReplacedEntry[]): void {
    const leaving = new Set(excessive(replaced, this.#config));
    this.#replaced = replaced.filter((entry) => !leaving.has(entry));
    this.#timer.set(this.#replaced[0]);
  }
}

const PAGE = 64 * 1024;

/** A byte buffer in pages: appending copies no old bytes, and offsets are found at once. */
class Pages {
  /** Each has `PAGE` bytes. The last one may be used only in part; `trim` makes it shorter. */
  readonly #pages: Buffer[] = [];
  #size = 0;

  append(chunk: Uint8Array): void {
    let rest = chunk;
    while (rest.length > 0) {
      const used = this.#size % PAGE;
      if (used === 0) this.#pages.push(Buffer.allocUnsafeSlow(PAGE));
      const part = rest.subarray(0, PAGE - used);
      this.#pages.at(-1)?.set(part, used);
      this.#size += part.length;
      rest = rest.subarray(part.length);
    }
  }

  /** Frees the unused rest of the last page. Nothing can be appended any more. */
  trim(): void {
    const used = this.#size % PAGE;
    const last = this.#pages.at(-1);
    if (last !== undefined && used > 0)
      this.#pages.splice(-1, 1, Buffer.from(last.subarray(0, used)));
  }

  /** Copies each page: a reader may overwrite or transfer a chunk and must not change the rest. */
  *read({ start, stop }: Slice): Generator<Buffer> {
    for (let position = start; position < stop; ) {
      const from = position % PAGE;
      const page = this.#pages[Math.floor(position / PAGE)];
      const chunk = Buffer.from(page?.subarray(from, from + stop - position) ?? []);
      position += chunk.length;
      yield chunk;
    }
  }
}

import { createHash, randomUUID } from 'node:crypto';
import { readFile, truncate, unlink } from 'node:fs/promises';
import { addAbortSignal, Readable } from 'node:stream';
import { SnapshotError } from '../../lib/errors.js';
import type {
  ListOptions,
  Metadata,
  OpenedObject,
  OpenOptions,
  Priority,
  PutOptions,
  SnapshotStore,
  StoredObject,
  WriteCondition,
} from '../../lib/stores/store.js';
import { FaultyConditions } from './faulty-conditions.js';
import { keptPriority, mayGo, type Ranked } from './faulty-priorities.js';
import { keptKey, keptMetadata } from './faulty-text.js';
import type { StoreFault } from './store-faults.js';

interface Entry extends Ranked {
  readonly content: Buffer;
}

/** A small correct store over a map, and what becomes of it with one fault. */
export class FaultyStore implements SnapshotStore {
  readonly writesConditionally = true;
  readonly putFile: NonNullable<SnapshotStore['putFile']>;
  readonly #fault: StoreFault | undefined;
  readonly #maxBytes: number;
  readonly #entries: Map<string, Entry>;
  readonly #deleted = new Set<string>();
  readonly #conditions: FaultyConditions;
  readonly #chunks = new Map<string, Uint8Array[]>();
  #position = 0;
  #closed = false;

  constructor(
    fault: StoreFault | undefined,
    entries = new Map<string, Entry>(),
    maxBytes = Number.POSITIVE_INFINITY,
  ) {
    this.#fault = fault;
    this.#conditions = new FaultyConditions(fault);
    this.#maxBytes = maxBytes;
    this.#entries = entries;
    this.putFile = this.#putFile;
  }

  reopen(): FaultyStore {
    if (this.#has('is empty after a restart')) return new FaultyStore(this.#fault);
    if (!this.#has('forgets priorities at a restart'))
      return new FaultyStore(this.#fault, this.#entries);
    const entries = [...this.#entries].map(([key, entry]): [string, Entry] => {
      return [key, { ...entry, object: { ...entry.object, priority: 'normal' } }];
    });
    return new FaultyStore(this.#fault, new Map(entries));
  }

  withBudget(maxBytes: number): FaultyStore {
    return new FaultyStore(this.#fault, this.#entries, maxBytes);
  }

  async stat(key: string, { signal }: OpenOptions = {}): Promise<StoredObject | undefined> {
    signal?.throwIfAborted();
    const entry = this.#find(key);
    return entry === undefined ? undefined : this.#describe(entry);
  }

  async open(
    key: string,
    { range, revision, signal }: OpenOptions = {},
  ): Promise<OpenedObject | undefined> {
    signal?.throwIfAborted();
    const entry = this.#find(key);
    if (entry === undefined) return undefined;
    const object = this.#describe(entry);
    const another = revision !== undefined && revision !== object.revision;
    if (another && !this.#has('ignores the revision asked for')) return undefined;

    let { start, end } = range ?? { start: 0, end: entry.content.length - 1 };
    if (this.#has('ignores ranges')) [start, end] = [0, entry.content.length - 1];
    if (range !== undefined && this.#has('takes the end of a range as exclusive')) end -= 1;
    if (range !== undefined && this.#has('starts ranges one byte late')) start += 1;
    const body = Readable.from(this.#read(key, entry, start, end + 1), { objectMode: false });
    if (signal !== undefined && !this.#has('ignores signals that abort later')) {
      addAbortSignal(signal, body);
    }
    const partial = this.#has('describes a range rather than the whole');
    return { ...object, size: partial ? end + 1 - start : object.size, body };
  }

  *#read(key: string, entry: Entry, start: number, stop: number): Generator<Buffer> {
    const lazy = this.#has('reads what is stored when the first byte is asked for');
    let { content } = (lazy && this.#entries.get(key)) || entry;
    let position = start;
    this.#position = start;
    while (position < stop) {
      if (this.#has('mixes revisions')) content = this.#entries.get(key)?.content ?? content;
      if (this.#has('ends bodies when the object is deleted') && !this.#entries.has(key)) return;
      if (this.#has('has one position for all bodies')) position = this.#position;
      const chunk = content.subarray(position, Math.min(stop, position + 65_536));
      position += chunk.length;
      this.#position = position;
      yield this.#has('gives out its own memory') ? chunk : Buffer.from(chunk);
    }
  }

  async put(
    key: string,
    body: AsyncIterable<Uint8Array>,
    { metadata = {}, ifRevision, priority = 'normal', signal }: PutOptions = {},
  ): Promise<StoredObject> {
    const kept = this.#has('keeps metadata that belong to the caller') ? metadata : { ...metadata };
    const chunks = this.#chunksFor(key);
    const isMet = this.#condition(key, ifRevision);
    const store = () => this.#store(key, kept, chunks, priority);
    if (this.#has('removes the old object when a write begins')) this.#entries.delete(key);
    if (this.#has('shows an object before its last byte')) store();
    if (this.#has('deletes what is stored when the signal aborts')) {
      signal?.addEventListener('abort', () => this.#entries.delete(key));
    }
    const heeds = this.#has('ignores signals that abort later') ? undefined : signal;
    try {
      signal?.throwIfAborted();
      for await (const chunk of this.#has('does not end bodies') ? endless(body) : body) {
        heeds?.throwIfAborted();
        const mine = this.#has('keeps chunks that belong to the caller')
          ? chunk
          : Uint8Array.from(chunk);
        if (this.#has('puts chunks in a wrong order')) chunks.unshift(mine);
        else chunks.push(mine);
      }
      if (!this.#has('ignores signals that abort at the end')) heeds?.throwIfAborted();
    } catch (error) {
      if (this.#has('stores what it got when a write fails')) store();
      if (this.#has('deletes the key when a write fails')) this.#entries.delete(key);
      throw this.#has('rejects with an error of its own') ? new Error('it failed') : error;
    }
    if (!isMet()) throw this.#refusal(key);
    return store();
  }

  readonly #putFile = async (
    key: string,
    file: string,
    { metadata = {}, ifRevision, priority = 'normal', signal }: PutOptions = {},
  ): Promise<StoredObject> => {
    if (!this.#has('takes a file that is no longer wanted')) signal?.throwIfAborted();
    if (this.#has('removes the old object before it takes a file')) this.#entries.delete(key);
    const content = await readFile(file);
    if (content.length === 0 && this.#has('refuses files of no bytes')) throw new Error('empty');
    if (!this.#condition(key, ifRevision)()) {
      if (this.#has('removes the file that it refuses')) await unlink(file);
      throw this.#refusal(key);
    }
    if (this.#has('truncates the file')) await truncate(file);
    if (!this.#has('leaves the file')) await unlink(file);
    const kept = this.#has('takes files without a priority') ? 'normal' : priority;
    return this.#store(key, metadata, [content], kept);
  };

  async delete(key: string): Promise<void> {
    const name = keptKey(key, this.#fault);
    if (!this.#entries.has(name) && this.#has('throws when there is nothing to delete')) {
      throw new Error('not found');
    }
    if (this.#has('does not delete')) return;
    if (this.#has('never stores a deleted key again')) this.#deleted.add(name);
    for (const other of [...this.#entries.keys()]) {
      const prefixed = this.#has('deletes by prefix') && other.startsWith(name);
      if (other === name || prefixed) this.#entries.delete(other);
    }
  }

  async *list({ prefix = '' }: ListOptions = {}): AsyncGenerator<StoredObject> {
    for (const entry of this.#entries.values()) {
      const object = this.#describe(entry);
      if (!object.key.startsWith(prefix) && !this.#has('lists whatever the prefix')) continue;
      if (this.#has('takes the prefix for a folder') && !isInFolder(object.key, prefix)) continue;
      const encoded = this.#has('lists encoded keys');
      const priority = this.#has('lists without priorities') ? 'normal' : object.priority;
      yield { ...object, priority, key: encoded ? encodeURI(object.key) : object.key };
    }
  }

  async close(): Promise<void> {
    if (this.#closed) throw new Error('closed twice');
    this.#closed = true;
  }

  #find(key: string): Entry | undefined {
    const entry = this.#entries.get(keptKey(key, this.#fault));
    if (entry === undefined && this.#has('throws on a miss')) throw new Error('not found');
    if (entry?.content.length === 0 && this.#has('takes no bytes for no object')) return undefined;
    return entry;
  }

  #describe({ object }: Entry): StoredObject {
    const revision = this.#has('gives each answer a new revision') ? randomUUID() : object.revision;
    const size = this.#has('describes an object without its size') ? 0 : object.size;
    const described = { ...object, revision, size };
    return this.#has('replaces its fields by metadata')
      ? { ...described, ...object.metadata, metadata: object.metadata }
      : described;
  }

  #store(
    key: string,
    metadata: Metadata,
    chunks: readonly Uint8Array[],
    priority: Priority,
  ): StoredObject {
    const name = keptKey(key, this.#fault);
    const old = this.#entries.get(name);
    const whole = Buffer.concat(chunks);
    const content = this.#has('keeps only the first MiB') ? whole.subarray(0, 1 << 20) : whole;
    const first = this.#has('keeps the metadata of the first revision');
    const object: StoredObject = {
      key: name,
      size: content.length,
      revision: this.#has('names a revision after its bytes')
        ? createHash('sha256').update(content).digest('hex')
        : randomUUID(),
      storedAt: this.#has('gives times in seconds') ? Date.now() / 1000 : Date.now(),
      metadata: (first && old?.object.metadata) || keptMetadata(metadata, this.#fault),
      priority: keptPriority(old, priority, this.#fault),
    };
    if (this.#deleted.has(name)) return object;
    this.#conditions.note({ object, content });
    this.#entries.delete(name);
    if (this.#makeRoom(content.length, object)) {
      this.#entries.set(name, { object, content, first: old?.first ?? priority });
    } else if (this.#has('rejects what it has no room for')) {
      throw new Error('no room');
    } else if (old && this.#has('keeps what was to be replaced when there is no room')) {
      this.#entries.set(name, old);
    }
    return object;
  }

  #condition(key: string, ifRevision: WriteCondition): () => boolean {
    const find = () => this.#entries.get(keptKey(key, this.#fault));
    return this.#conditions.begin(find, ifRevision);
  }

  #refusal(key: string): SnapshotError {
    if (this.#has('removes what is stored when it refuses')) this.#entries.delete(key);
    return new SnapshotError('PRECONDITION_FAILED', 'something else is stored');
  }

  #makeRoom(bytes: number, newcomer: StoredObject): boolean {
    const all = [...this.#entries];
    let excess = all.reduce((sum, [, { content }]) => sum + content.length, bytes) - this.#maxBytes;
    for (const [key, entry] of all) {
      if (excess <= 0) break;
      if (!mayGo(entry, newcomer, this.#fault)) continue;
      this.#entries.delete(key);
      excess -= entry.content.length;
    }
    return excess <= 0;
  }

  #chunksFor(key: string): Uint8Array[] {
    if (!this.#has('shares one buffer among the writers of a key')) return [];
    const chunks = this.#chunks.get(key) ?? [];
    this.#chunks.set(key, chunks);
    return chunks;
  }

  #has(fault: StoreFault): boolean {
    return this.#fault === fault;
  }
}

/** Its reader can't end the body. */
function endless(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]();
  return { [Symbol.asyncIterator]: () => ({ next: () => chunks.next() }) };
}

function isInFolder(key: string, prefix: string): boolean {
  return prefix === '' || prefix.endsWith('/') || key === prefix;
}

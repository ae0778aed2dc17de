import { createHash, randomUUID } from 'node:crypto';
import { readFile, truncate, unlink } from 'node:fs/promises';
import { addAbortSignal, Readable } from 'node:stream';
import { SnapshotError } from '../../lib/errors.js';
import type {
  AdoptOptions,
  CreateOptions,
  ListOptions,
  Metadata,
  ObjectWriter,
  OpenedObject,
  OpenOptions,
  SnapshotStore,
  StoredObject,
} from '../../lib/stores/store.js';
import { FaultyConditions } from './faulty-conditions.js';
import { keptRank, mayGo, type Ranked } from './faulty-ranks.js';
import { keptKey, keptMetadata } from './faulty-text.js';
import type { StoreFault } from './store-faults.js';

interface Entry extends Ranked {
  readonly content: Buffer;
}

/** A small correct store over a map, and what becomes of it with one fault. */
export class FaultyStore implements SnapshotStore {
  readonly abilities = {
    adoptsFiles: true,
    persistent: true,
    ranksObjects: true,
    writesConditionally: true,
  };
  readonly adopt?: NonNullable<SnapshotStore['adopt']>;
  readonly #fault: StoreFault | undefined;
  readonly #maxBytes: number;
  readonly #entries: Map<string, Entry>;
  readonly #deleted = new Set<string>();
  readonly #conditions: FaultyConditions;
  readonly #chunks = new Map<string, Uint8Array[]>();
  #position = 0;

  constructor(
    fault: StoreFault | undefined,
    entries = new Map<string, Entry>(),
    maxBytes = Number.POSITIVE_INFINITY,
  ) {
    this.#fault = fault;
    this.#conditions = new FaultyConditions(fault);
    this.#maxBytes = maxBytes;
    this.#entries = entries;
    if (!this.#has('declares adopt without having it')) this.adopt = this.#adopt;
  }

  reopen(): FaultyStore {
    if (this.#has('is empty after a restart')) return new FaultyStore(this.#fault);
    if (!this.#has('forgets ranks at a restart'))
      return new FaultyStore(this.#fault, this.#entries);
    const entries = [...this.#entries].map(([key, entry]): [string, Entry] => {
      return [key, { ...entry, object: { ...entry.object, expendable: false } }];
    });
    return new FaultyStore(this.#fault, new Map(entries));
  }

  withBudget(maxBytes: number): FaultyStore {
    return new FaultyStore(this.#fault, this.#entries, maxBytes);
  }

  async stat(key: string, { signal }: OpenOptions = {}): Promise<StoredObject | undefined> {
    this.#checkSignal(signal);
    const entry = this.#find(key);
    return entry === undefined ? undefined : this.#describe(entry);
  }

  async open(
    key: string,
    { range, revision, signal }: OpenOptions = {},
  ): Promise<OpenedObject | undefined> {
    this.#checkSignal(signal);
    const entry = this.#find(key);
    if (entry === undefined) return undefined;
    const object = this.#describe(entry);
    const another = revision !== undefined && revision !== object.revision;
    if (another && !this.#has('ignores the revision asked for')) return undefined;

    let { start, end } = range ?? { start: 0, end: entry.content.length - 1 };
    if (range !== undefined && !this.#has('clamps ranges')) check(start, end, entry.content.length);
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

  async create(
    key: string,
    metadata: Metadata,
    { signal, expendable = false, replaces }: CreateOptions = {},
  ): Promise<ObjectWriter> {
    this.#checkSignal(signal);
    const kept = this.#has('keeps metadata that belong to the caller') ? metadata : { ...metadata };
    const chunks = this.#chunksFor(key);
    const isMet = this.#condition(key, replaces);
    if (this.#has('removes the old object when a write begins')) this.#entries.delete(key);
    if (this.#has('shows an object before commit')) this.#store(key, kept, [], expendable);
    let ended: 'commit' | 'abort' | undefined;
    const checkOpen = () => {
      const goesOn = ended !== undefined && this.#has(`goes on after ${ended}`);
      if (ended !== undefined && !goesOn) throw new Error(`after ${ended}`);
    };
    const abort = async () => {
      if (ended === 'abort' && this.#has('throws on a second abort')) throw new Error('twice');
      if (this.#has('deletes the key on abort')) this.#entries.delete(key);
      if (ended !== undefined) return;
      ended = 'abort';
      if (this.#has('commits what is aborted')) this.#store(key, kept, chunks, expendable);
    };
    if (!this.#has('ignores signals that abort later')) {
      signal?.addEventListener('abort', () => {
        if (this.#has('aborts after commit when the signal does')) this.#entries.delete(key);
        else abort();
      });
    }
    return {
      write: async (chunk) => {
        checkOpen();
        const mine = this.#has('keeps chunks that belong to the caller')
          ? chunk
          : Uint8Array.from(chunk);
        if (this.#has('puts chunks in a wrong order')) chunks.unshift(mine);
        else chunks.push(mine);
        if (ended === 'commit') this.#store(key, kept, chunks, expendable);
      },
      commit: async () => {
        checkOpen();
        if (!isMet()) {
          if (!this.#has('commits what was refused')) ended = 'abort';
          throw this.#refusal(key);
        }
        ended = 'commit';
        return this.#store(key, kept, chunks, expendable);
      },
      abort,
    };
  }

  readonly #adopt = async (
    key: string,
    file: string,
    metadata: Metadata,
    { expendable = false, replaces, signal }: AdoptOptions = {},
  ): Promise<StoredObject> => {
    if (!this.#has('adopts what is no longer wanted')) signal?.throwIfAborted();
    if (this.#has('removes the old object before it adopts')) this.#entries.delete(key);
    const content = await readFile(file);
    if (content.length === 0 && this.#has('refuses files of no bytes')) throw new Error('empty');
    if (!this.#condition(key, replaces)()) {
      if (this.#has('removes the file that it refuses')) await unlink(file);
      throw this.#refusal(key);
    }
    if (this.#has('truncates the adopted file')) await truncate(file);
    if (!this.#has('leaves the adopted file')) await unlink(file);
    const rank = this.#has('adopts without a rank') ? false : expendable;
    return this.#store(key, metadata, [content], rank);
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
      const expendable = this.#has('lists without ranks') ? false : object.expendable;
      yield { ...object, expendable, key: encoded ? encodeURI(object.key) : object.key };
    }
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
    expendable: boolean,
  ): StoredObject {
    const name = keptKey(key, this.#fault);
    const old = this.#entries.get(name);
    const whole = Buffer.concat(chunks);
    const content = this.#has('keeps only the first MiB') ? whole.subarray(0, 1 << 20) : whole;
    const first = this.#has('keeps the metadata of the first revision');
    const object = {
      key: name,
      size: content.length,
      revision: this.#has('names a revision after its bytes')
        ? createHash('sha256').update(content).digest('hex')
        : randomUUID(),
      storedAt: this.#has('gives times in seconds') ? Date.now() / 1000 : Date.now(),
      metadata: (first && old?.object.metadata) || keptMetadata(metadata, this.#fault),
      expendable: keptRank(old, expendable, this.#fault),
    };
    if (this.#deleted.has(name)) return object;
    this.#conditions.note({ object, content });
    this.#entries.delete(name);
    if (this.#makeRoom(content.length, object)) {
      this.#entries.set(name, { object, content, first: old?.first ?? expendable });
    } else if (this.#has('rejects what it has no room for')) {
      throw new Error('no room');
    } else if (old && this.#has('keeps what was to be replaced when there is no room')) {
      this.#entries.set(name, old);
    }
    return object;
  }

  #condition(key: string, replaces: string | null | undefined): () => boolean {
    const find = () => this.#entries.get(keptKey(key, this.#fault));
    return this.#conditions.begin(find, replaces);
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

  #checkSignal(signal: AbortSignal | undefined): void {
    if (!this.#has('ignores signals that have aborted')) signal?.throwIfAborted();
  }

  #has(fault: StoreFault): boolean {
    return this.#fault === fault;
  }
}

function check(start: number, end: number, size: number): void {
  const integers = Number.isInteger(start) && Number.isInteger(end);
  if (!integers || start < 0 || end < start || end >= size) throw new RangeError('range');
}

function isInFolder(key: string, prefix: string): boolean {
  return prefix === '' || prefix.endsWith('/') || key === prefix;
}

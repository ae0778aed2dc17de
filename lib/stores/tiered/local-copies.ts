import { recentlyUsed } from '../../async/recently-used.js';
import { SnapshotError } from '../../errors.js';
import { MemoryLocks } from '../../locks/memory.js';
import { withLock } from '../../locks/with-lock.js';
import type {
  ListOptions,
  Metadata,
  OpenedObject,
  OpenOptions,
  PutOptions,
  SnapshotStore,
  StoredObject,
} from '../store.js';
import { isDescription, isMetadata, isRecord, parseJson } from '../stored-json.js';
import { BestEffortWrite } from './best-effort-write.js';
import { toStoreError, unlessStalled } from './idle-timeout.js';

const MAX_REMEMBERED = 10_000;

/*
 * The metadata of a local object hold the user's metadata as JSON, and part of the shared tier's
 * description. Without that part, either there is no shared object, or only this process knows it.
 */
const METADATA = 'metadata';
const SHARED = 'shared';

/** The part of a shared object's description that differs from that of its local copy. */
type SharedDescription = Pick<StoredObject, 'revision' | 'storedAt' | 'priority'>;

export interface LocalCopy {
  /** The revision of the copy in the local tier. */
  readonly revision: string;
  /** The copied shared object. If there is none, the local object itself. */
  readonly object: StoredObject;
}

/** What both tiers have under a key. */
export interface Found {
  readonly current: StoredObject | undefined;
  /** A copy of `current`. */
  readonly copy: LocalCopy | undefined;
}

export interface LocalCopiesOptions {
  readonly idleTimeout: number;
  readonly onFailure: (key: string, error: SnapshotError) => void;
}

/**
 * The local store, which holds copies of shared objects. Replacing or deleting a copy waits for its
 * turn, so that a new copy stays until all clients that wait for it have opened it.
 */
export class LocalCopies {
  readonly #store: SnapshotStore;
  readonly #options: LocalCopiesOptions;
  readonly #turns = new MemoryLocks();
  /** Key → the copy, if its write began before the shared revision was known. */
  readonly #written = recentlyUsed<string, LocalCopy>(MAX_REMEMBERED);
  /** Bytes of the smallest copy that did not fit. Reset when the store keeps one as large. */
  #unkept = Number.POSITIVE_INFINITY;

  constructor(store: SnapshotStore, options: LocalCopiesOptions) {
    this.#store = store;
    this.#options = options;
  }

  async stat(key: string, signal: AbortSignal | undefined): Promise<LocalCopy | undefined> {
    const stored = await this.#store.stat(key, { signal });
    return stored && this.#copyOf(stored);
  }

  open(key: string, options: OpenOptions): Promise<OpenedObject | undefined> {
    return this.#store.open(key, options);
  }

  async *list(options?: ListOptions): AsyncGenerator<StoredObject> {
    for await (const stored of this.#store.list(options)) {
      const copy = this.#copyOf(stored);
      if (copy !== undefined) yield copy.object;
    }
  }

  /** A guess from the results of earlier copies. */
  hasRoomFor(bytes: number): boolean {
    return bytes < this.#unkept;
  }

  /**
   * Begins the write of a copy, which replaces any other. None of its steps rejects.
   *
   * @param shared the shared object that is copied. Default: not known yet.
   */
  write(
    key: string,
    { metadata = {}, priority }: PutOptions,
    shared?: StoredObject,
  ): BestEffortWrite {
    const options = { metadata: encodeCopy(metadata, shared), priority };
    return new BestEffortWrite(
      async (body, signal) => this.#store.put(key, body, { ...options, signal }),
      this.#options.idleTimeout,
      (error) => this.#fail(key, error),
    );
  }

  /**
   * Finishes the write of a copy in its turn.
   *
   * @param finish makes the copy readable, or returns `undefined` if its write has failed.
   * @param use gets the revision of the copy if the store kept it. The copy is not replaced before
   *   `use` has ended.
   */
  async replace(
    key: string,
    finish: () => Promise<StoredObject | undefined>,
    use: (kept: string | undefined) => Promise<void> = async () => {},
  ): Promise<LocalCopy | undefined> {
    return await withLock(this.#turns, key, async () => {
      const stored = await finish();
      const isKept = stored !== undefined && (await this.#isKept(stored));
      await use(isKept ? stored.revision : undefined);
      return stored && decodeCopy(stored);
    });
  }

  /** @param revision deletes only this revision of the local object. Default: any. */
  async delete(key: string, revision?: string): Promise<void> {
    await withLock(this.#turns, key, async () => {
      const isOther =
        revision !== undefined && (await this.#store.stat(key))?.revision !== revision;
      if (!isOther) await this.#store.delete(key);
    });
  }

  /** Remembers a copy that was written before its shared object was known. */
  remember(copy: LocalCopy): void {
    this.#written.set(copy.object.key, copy);
  }

  #copyOf(stored: StoredObject): LocalCopy | undefined {
    const written = this.#written.get(stored.key);
    return written?.revision === stored.revision ? written : decodeCopy(stored);
  }

  /** Finds out whether the store kept a copy or had no room. Remembers this for later copies. */
  async #isKept({ key, size, revision }: StoredObject): Promise<boolean> {
    try {
      const stored = await unlessStalled(this.#options.idleTimeout, this.#store.stat(key));
      const isKept = stored?.revision === revision;
      if (!isKept) this.#unkept = Math.min(this.#unkept, size);
      else if (size >= this.#unkept) this.#unkept = Number.POSITIVE_INFINITY;
      return isKept;
    } catch (error) {
      this.#fail(key, error);
      return false;
    }
  }

  #fail(key: string, error: unknown): void {
    this.#options.onFailure(key, toStoreError(error));
  }
}

/** Makes the metadata for a copy. @param shared the shared object, if it is known yet. */
export function encodeCopy(metadata: Metadata, shared?: SharedDescription): Metadata {
  const wrapped = { [METADATA]: JSON.stringify(metadata) };
  if (shared === undefined) return wrapped;
  const { revision, storedAt, priority } = shared;
  return { ...wrapped, [SHARED]: JSON.stringify({ revision, storedAt, priority }) };
}

/** `undefined` if no tiered store wrote the object. */
function decodeCopy(local: StoredObject): LocalCopy | undefined {
  const { key, size, revision } = local;
  const metadata = parseJson(local.metadata[METADATA] ?? '');
  if (!isMetadata(metadata)) return undefined;
  if (local.metadata[SHARED] === undefined) return { revision, object: { ...local, metadata } };
  const shared = parseJson(local.metadata[SHARED]);
  const object = { ...(isRecord(shared) && shared), key, size, metadata };
  return isDescription(object) ? { revision, object } : undefined;
}

/** The description of an object that at least one tier has. */
export function storedIn(
  shared: StoredObject | undefined,
  local: LocalCopy | undefined,
): StoredObject {
  const stored = shared ?? local?.object;
  if (stored === undefined) throw bothTiersFailed();
  return stored;
}

export function bothTiersFailed(): SnapshotError {
  return new SnapshotError('STORE_FAILED', 'neither tier takes the object');
}

import { LRUCache } from 'lru-cache';
import type { SnapshotError } from '../../errors.js';
import { InProcessLocks } from '../../locks/in-process.js';
import type {
  ListOptions,
  Metadata,
  OpenedObject,
  OpenOptions,
  SnapshotStore,
  StoredObject,
} from '../store.js';
import { isMetadata, isRecord, parseJson } from '../stored-json.js';
import { BestEffortWrite } from './best-effort-write.js';
import { toStoreError, unlessStalled } from './stall-timeout.js';

const MAX_REMEMBERED = 10_000;

/*
 * The metadata of a near object: the user's own, wrapped up, and what the far tier says of its object.
 * Without that it is of no far object: the far tier did not take it, or it is known elsewhere which one.
 */
const METADATA = 'metadata';
const FAR = 'far';

/** Of a far object, what its near copy cannot say of itself. */
type Far = Pick<StoredObject, 'revision' | 'storedAt' | 'expendable'>;

export interface NearCopy {
  /** The revision of the copy in the near tier. */
  readonly revision: string;
  /** What it is a copy of; a description of its own, if of nothing. */
  readonly object: StoredObject;
}

export interface NearCopiesOptions {
  readonly stallTimeout: number;
  readonly onFailure: (key: string, error: SnapshotError) => void;
}

/**
 * The near store, whose objects are copies. What replaces or deletes that of a key waits for its turn:
 * a copy that was just made stays until those who wait for it have opened it.
 */
export class NearCopies {
  readonly #store: SnapshotStore;
  readonly #options: NearCopiesOptions;
  readonly #turns = new InProcessLocks();
  /** Copies that were begun before the far revision was known. */
  readonly #written = new LRUCache<string, NearCopy>({ max: MAX_REMEMBERED });
  /** Bytes of the smallest copy for which there was no room, since one as large was kept. */
  #unkept = Number.POSITIVE_INFINITY;

  constructor(store: SnapshotStore, options: NearCopiesOptions) {
    this.#store = store;
    this.#options = options;
  }

  async stat(key: string, signal: AbortSignal | undefined): Promise<NearCopy | undefined> {
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

  /** A guess, by what became of other copies. */
  hasRoomFor(bytes: number): boolean {
    return bytes < this.#unkept;
  }

  /**
   * Begins the write of a copy. It replaces whatever is there: none of its steps rejects.
   *
   * @param far what it is a copy of. Default: that is not known yet.
   */
  write(
    key: string,
    metadata: Metadata,
    expendable: boolean,
    far?: StoredObject,
  ): Promise<BestEffortWrite> {
    return BestEffortWrite.begin(
      async () => this.#store.create(key, encodeCopy(metadata, far), { expendable }),
      {
        timeout: this.#options.stallTimeout,
        onFailure: (error) => this.#fail(key, error),
        mayBeRefused: false,
      },
    );
  }

  /**
   * The copy, `undefined` when that failed.
   *
   * @param use is given it, unless it was not kept, and done before anything here takes its place.
   */
  async commit(
    key: string,
    write: BestEffortWrite,
    use: (kept: StoredObject | undefined) => Promise<void> = async () => {},
  ): Promise<StoredObject | undefined> {
    return await this.#inTurn(key, async () => {
      const copy = await write.commit();
      await use(copy && (await this.#isKept(copy)) ? copy : undefined);
      return copy;
    });
  }

  adopt(work: NonNullable<SnapshotStore['adopt']>): NonNullable<SnapshotStore['adopt']> {
    return (key, ...rest) =>
      this.#inTurn(key, async () => {
        const copy = await work(key, ...rest);
        await this.#isKept(copy);
        return copy;
      });
  }

  /** @param revision only this one, of the copy. Default: any. */
  async delete(key: string, revision?: string): Promise<void> {
    await this.#inTurn(key, async () => {
      const isOther =
        revision !== undefined && (await this.#store.stat(key))?.revision !== revision;
      if (!isOther) await this.#store.delete(key);
    });
  }

  /** What a copy that was written turned out to be a copy of. */
  note(copy: StoredObject, object: StoredObject): void {
    this.#written.set(copy.key, { revision: copy.revision, object });
  }

  async close(): Promise<void> {
    await this.#store.close?.();
  }

  #copyOf(stored: StoredObject): NearCopy | undefined {
    const written = this.#written.get(stored.key);
    return written?.revision === stored.revision ? written : decodeCopy(stored);
  }

  async #inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const turn = await this.#turns.acquire(key);
    try {
      return await work();
    } finally {
      await turn.release();
    }
  }

  /** A store says only afterwards that it had no room: it is remembered for the next ones. */
  async #isKept({ key, size, revision }: StoredObject): Promise<boolean> {
    try {
      const stored = await unlessStalled(this.#options.stallTimeout, this.#store.stat(key));
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

/** The metadata for a copy of a far object, or of one that is not known yet. */
export function encodeCopy(metadata: Metadata, far?: Far): Metadata {
  const wrapped = { [METADATA]: JSON.stringify(metadata) };
  if (far === undefined) return wrapped;
  const { revision, storedAt, expendable } = far;
  return { ...wrapped, [FAR]: JSON.stringify({ revision, storedAt, expendable }) };
}

/** `undefined` when the object is not a copy that was made here. */
export function decodeCopy(near: StoredObject): NearCopy | undefined {
  const metadata = parseJson(near.metadata[METADATA] ?? '');
  if (!isMetadata(metadata)) return undefined;
  const { revision } = near;
  if (near.metadata[FAR] === undefined) return { revision, object: { ...near, metadata } };
  const far = parseJson(near.metadata[FAR]);
  return isRecord(far) && isFar(far)
    ? { revision, object: { ...near, ...far, metadata } }
    : undefined;
}

function isFar(value: Record<string, unknown>): value is Record<string, unknown> & Far {
  return (
    typeof value.revision === 'string' &&
    typeof value.storedAt === 'number' &&
    typeof value.expendable === 'boolean'
  );
}

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
 * The metadata of a near object hold the user's metadata as JSON, and part of the far tier's
 * description. Without that part, the near object is a copy of no far object, or only this process
 * knows which one.
 */
const METADATA = 'metadata';
const FAR = 'far';

/** The part of a far object's description that differs from that of its near copy. */
type FarDescription = Pick<StoredObject, 'revision' | 'storedAt' | 'expendable'>;

export interface NearCopy {
  /** The revision of the copy in the near tier. */
  readonly revision: string;
  /** The far object that it is a copy of. If there is none, the near object itself. */
  readonly object: StoredObject;
}

export interface NearCopiesOptions {
  readonly stallTimeout: number;
  readonly onFailure: (key: string, error: SnapshotError) => void;
}

/**
 * The near store, which holds copies of far objects. Replacing or deleting a copy waits for its
 * turn, so that a new copy stays until all clients that wait for it have opened it.
 */
export class NearCopies {
  readonly #store: SnapshotStore;
  readonly #options: NearCopiesOptions;
  readonly #turns = new InProcessLocks();
  /** Copies whose write began before the far revision was known. */
  readonly #written = new LRUCache<string, NearCopy>({ max: MAX_REMEMBERED });
  /**
   * Bytes of the smallest copy that the store had no room for. Reset when it keeps a copy as large.
   */
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

  /** A guess from what happened to earlier copies. */
  hasRoomFor(bytes: number): boolean {
    return bytes < this.#unkept;
  }

  /**
   * Begins the write of a copy, which replaces any other. None of its steps rejects.
   *
   * @param far the object that it is a copy of. Default: not known yet.
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
   * Commits a copy; `undefined` if that failed.
   *
   * @param use gets the copy if the store kept it. The copy is not replaced before `use` has ended.
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

  /** Wraps the `adopt` method of the near store. */
  adopt(work: NonNullable<SnapshotStore['adopt']>): NonNullable<SnapshotStore['adopt']> {
    return (key, ...rest) =>
      this.#inTurn(key, async () => {
        const copy = await work(key, ...rest);
        await this.#isKept(copy);
        return copy;
      });
  }

  /** @param revision deletes only this revision of the near object. Default: any. */
  async delete(key: string, revision?: string): Promise<void> {
    await this.#inTurn(key, async () => {
      const isOther =
        revision !== undefined && (await this.#store.stat(key))?.revision !== revision;
      if (!isOther) await this.#store.delete(key);
    });
  }

  /** Remembers of which far object a written copy is. */
  remember(copy: StoredObject, object: StoredObject): void {
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

  /** A store shows only after a commit that it had no room. This is remembered for later copies. */
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

/** Makes the metadata for a copy. @param far the far object, if it is known yet. */
export function encodeCopy(metadata: Metadata, far?: FarDescription): Metadata {
  const wrapped = { [METADATA]: JSON.stringify(metadata) };
  if (far === undefined) return wrapped;
  const { revision, storedAt, expendable } = far;
  return { ...wrapped, [FAR]: JSON.stringify({ revision, storedAt, expendable }) };
}

/** `undefined` if no tiered store wrote the object. */
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

function isFar(value: Record<string, unknown>): value is Record<string, unknown> & FarDescription {
  return (
    typeof value.revision === 'string' &&
    typeof value.storedAt === 'number' &&
    typeof value.expendable === 'boolean'
  );
}

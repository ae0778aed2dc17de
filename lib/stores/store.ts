import type { Readable } from 'node:stream';
import type { SnapshotError } from '../errors.js';

/** Flat text pairs that a store keeps beside an object's bytes and gives back exactly. */
export type Metadata = Readonly<Record<string, string>>;

/** An inclusive byte range within an object: `0 ≤ start ≤ end < size`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** The description of a stored object, without its bytes. */
export interface StoredObject {
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  /**
   * Names this version of the stored object. Each commit makes a new one, for equal bytes too.
   * Opaque. In this contract, a revision is always a version of a stored object, never the state of
   * a mirror.
   */
  readonly revision: string;
  /** When this revision was committed, in milliseconds since the epoch. */
  readonly storedAt: number;
  readonly metadata: Metadata;
  /** The rank: a store evicts expendable objects first. Always false in a store without ranks. */
  readonly expendable: boolean;
}

/**
 * The revision that must be stored at the commit. `null`: none may be. `undefined`: no condition.
 */
export type WriteCondition = string | null | undefined;

export interface SignalOptions {
  signal?: AbortSignal | undefined;
}

export interface CreateOptions {
  /** The rank of the object, see `SnapshotStore`. Default: false. */
  expendable?: boolean | undefined;
  /** The write's condition. Only stores with `writesConditionally` honour it. Default: none. */
  replaces?: WriteCondition;
  /** Aborts the write when it aborts. */
  signal?: AbortSignal | undefined;
}

/** If the store must copy the file, the signal can stop it until the copy is complete. */
export type AdoptOptions = CreateOptions;

export interface OpenOptions {
  /** Only these bytes. Default: all. A range outside the object throws a `RangeError`. */
  range?: ByteRange | undefined;
  /** Only this revision, stored or replaced. If it is missing, `open` returns `undefined`. */
  revision?: string | undefined;
  /** Destroys the body when it aborts. */
  signal?: AbortSignal | undefined;
}

export interface UrlOptions {
  /** Only this revision. */
  readonly revision: string;
  /** Headers of the download. */
  readonly contentType: string;
  readonly contentDisposition: string;
  readonly signal?: AbortSignal | undefined;
}

/** Its reader MUST read it to its end or destroy it, and may change the chunks. */
export interface ObjectBody extends Readable {
  /**
   * Optional. Gives a chunk back, so that the body can use its memory again. A reader calls it at
   * most once for each chunk, and nobody may use the chunk afterwards.
   */
  recycle?(chunk: Uint8Array): void;
}

export interface ListOptions extends SignalOptions {
  /** Only objects whose keys begin with it. Default: all. */
  prefix?: string | undefined;
}

export interface OpenedObject extends StoredObject {
  /** The requested bytes. All other properties describe the whole object. */
  readonly body: ObjectBody;
}

/** One object being written. Exactly one of `commit` and `abort` ends it. */
export interface ObjectWriter {
  /**
   * Appends bytes. The chunk belongs to the writer until the promise resolves; only then make the
   * next call. Rejects after `commit` or `abort`.
   */
  write(chunk: Uint8Array): Promise<void>;
  /**
   * Publishes the object. It MUST NOT be readable before this resolves. The signal of `create` has
   * no effect from here on. Rejects after `commit` or `abort`, and when the write's condition does
   * not hold.
   */
  commit(): Promise<StoredObject>;
  /** Drops everything that was written. Idempotent; does nothing after `commit`. */
  abort(): Promise<void>;
}

/** Features that not every store has. A store declares them, so that callers need not try. */
export interface StoreAbilities {
  /** The store has `adopt`: a finished local file becomes an object without being copied. */
  readonly adoptsFiles: boolean;
  /** Objects outlive the process. */
  readonly persistent: boolean;
  /** The store keeps and honours `expendable`. Otherwise the option has no effect. */
  readonly ranksObjects: boolean;
  /** The store honours `replaces`. Otherwise the option has no effect. */
  readonly writesConditionally: boolean;
  /** The store has `replaced`: a replaced revision can be read for a while. Default: false. */
  readonly keepsReplaced?: boolean | undefined;
}

/** A failure of one tier. Callers do not see it, because the other tier took over. */
export interface StoreFailure {
  readonly tier: 'near' | 'far';
  /** `undefined`: the failure concerns no particular object. */
  readonly key: string | undefined;
  readonly error: SnapshotError;
}

/**
 * Keeps finished snapshots.
 *
 * - An object MUST NOT be readable before `commit()` or `adopt()` has resolved. An aborted, crashed
 *   or failed write MUST leave nothing readable, and the object that was stored before stays.
 * - When an object is replaced, a body that is being read MUST yield the old or the new revision to
 *   its end, never a mix. `size`, `revision`, `metadata` and `body` of one `open` are of one
 *   revision.
 * - `delete` MUST be atomic and idempotent, and MUST NOT disturb bodies that are being read.
 * - Keys are opaque strings of at least 1 byte; a store takes 2,048 bytes or more. Different
 *   strings are different objects.
 * - `stat`, `open`, `create` and `adopt` reject when their signal has already aborted.
 * - A store MAY drop objects at any time (budget, eviction): that is a miss, never an error.
 * - A store that ranks objects MUST NOT evict an object that is not expendable to make room for an
 *   expendable one. If evicting all expendable objects would not make enough room, the store does
 *   not keep the new object: its commit MUST succeed, and its key MUST be a miss afterwards. To
 *   make room for an object that is not expendable, a store may evict any object. In both cases it
 *   SHOULD evict the least recently opened objects first.
 * - A replaced object MUST have the rank of the new one, from the moment that the new one is
 *   readable.
 * - A store that writes conditionally MUST refuse a write when its condition `replaces` does not
 *   hold: `create`, `write`, `commit` or `adopt` rejects with a `SnapshotError` coded
 *   `PRECONDITION_FAILED`. If several writes replace the same revision, or nothing, the store MUST
 *   let at most one of them commit, even if different processes make them. A refused write is a
 *   failed write.
 * - In a store that keeps replaced revisions, the revision that a write `replaces` SHOULD stay
 *   readable for some minutes: `open` returns it to callers that name it, `replaced` lists it, and
 *   no other method shows it. It MUST be gone when `delete` of its key resolves.
 * - Failures reject with a `SnapshotError` coded `STORE_FAILED` or, for a full disk,
 *   `STORAGE_FULL`.
 */
export interface SnapshotStore {
  readonly abilities: StoreAbilities;
  /** `undefined` when nothing is stored under the key. */
  stat(key: string, options?: SignalOptions): Promise<StoredObject | undefined>;
  /** `undefined` when nothing is stored, or another revision than the requested one. */
  open(key: string, options?: OpenOptions): Promise<OpenedObject | undefined>;
  /**
   * Optional: a store has it only if clients should download from the storage directly. Returns a
   * URL from which anybody can download the whole object for a while. `undefined` when nothing or
   * another revision is stored, or the object has no URL: the caller then serves its bytes.
   */
  urlOf?(key: string, options: UrlOptions): Promise<string | undefined>;
  /**
   * Starts a write. The store takes the metadata as they are now. When `signal` aborts, the write
   * is aborted and its calls reject.
   */
  create(key: string, metadata: Metadata, options?: CreateOptions): Promise<ObjectWriter>;
  /**
   * Only with `abilities.adoptsFiles`. Takes over a finished file: the file is gone from its place
   * afterwards. If it throws, the file stays. Readers that have the file open still read its bytes.
   */
  adopt?(
    key: string,
    file: string,
    metadata: Metadata,
    options?: AdoptOptions,
  ): Promise<StoredObject>;
  delete(key: string): Promise<void>;
  /**
   * Only with `abilities.keepsReplaced`. Describes the replaced revisions of an object that `open`
   * still returns, the latest first. None when nothing is stored under the key.
   */
  replaced?(key: string, options?: SignalOptions): Promise<readonly StoredObject[]>;
  /**
   * All stored objects whose keys begin with `prefix`, and no others, in no particular order. It
   * rejects if it can't give all of them. Should cost little for a prefix that ends with a slash:
   * the service lists the objects of one repository.
   */
  list(options?: ListOptions): AsyncIterable<StoredObject>;
  /** The owner calls it once at its start, to get each `StoreFailure`. Default: there are none. */
  watch?(onFailure: (failure: StoreFailure) => void): void;
  /** The owner calls it once when it shuts down. Default: nothing to release. */
  close?(): Promise<void>;
}

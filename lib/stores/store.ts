import type { Readable } from 'node:stream';
import type { SnapshotError } from '../errors.js';

/** Flat text pairs kept beside an object's bytes; a store gives them back exactly. */
export type Metadata = Readonly<Record<string, string>>;

/** An inclusive byte range within an object: `0 ≤ start ≤ end < size`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** What is known of a stored object without reading its bytes. */
export interface StoredObject {
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  /** Names this revision of the object; each commit makes a new one, of equal bytes too. Opaque. */
  readonly revision: string;
  /** When this revision was committed, in milliseconds since the epoch. */
  readonly storedAt: number;
  readonly metadata: Metadata;
  /** Its rank: it goes before others do. Always false in a store that does not rank objects. */
  readonly expendable: boolean;
}

export interface CreateOptions {
  /** The rank of the object, see `SnapshotStore`. Default: false. */
  expendable?: boolean | undefined;
  /**
   * Only in place of this revision; `null`: only where nothing is stored. Default: in place of whatever
   * is. It has an effect in stores that declare `writesConditionally`.
   */
  replaces?: string | null | undefined;
  /** Aborts the write when it aborts. */
  signal?: AbortSignal | undefined;
}

/** For a file that is copied somewhere, the signal matters until that is done. */
export type AdoptOptions = CreateOptions;

export interface OpenOptions {
  /** Only these bytes. Default: all. A range outside the object throws a `RangeError`. */
  range?: ByteRange | undefined;
  /** Only this revision, stored or kept: when there is no such one, `open` answers `undefined`. */
  revision?: string | undefined;
  /** Destroys the body when it aborts. */
  signal?: AbortSignal | undefined;
}

export interface UrlOptions {
  /** Only this revision. */
  readonly revision: string;
  /** What the download says of itself. */
  readonly contentType: string;
  readonly contentDisposition: string;
  readonly signal?: AbortSignal | undefined;
}

/** Whoever opened it MUST read it to its end or destroy it, and may do to its chunks what they like. */
export interface ObjectBody extends Readable {
  /**
   * Optional. Gives a chunk back, for the body to use its memory again. At most once for each chunk;
   * whoever does it MUST NOT look at the chunk afterwards, nor anybody else whom they passed it on to.
   */
  recycle?(chunk: Uint8Array): void;
}

export interface ListOptions {
  /**
   * A hint: objects for whose key it answers false may be left out, by stores that know keys at less cost
   * than the rest. Whoever lists must expect them all the same.
   */
  matching?: ((key: string) => boolean) | undefined;
}

export interface OpenedObject extends StoredObject {
  /** The bytes asked for; everything else describes the whole object. */
  readonly body: ObjectBody;
}

/** One object being written. Exactly one of `commit` and `abort` ends it. */
export interface ObjectWriter {
  /**
   * Appends bytes; wait for it before the next call. The chunk belongs to the writer until then.
   * Rejects after `commit` or `abort`.
   */
  write(chunk: Uint8Array): Promise<void>;
  /**
   * Publishes the object. It MUST NOT be readable before this resolved. The signal of `create` has no
   * effect from here on. Rejects after `commit` or `abort`, and when something else is stored than it
   * was to replace.
   */
  commit(): Promise<StoredObject>;
  /** Drops everything written. Idempotent; does nothing after `commit`. */
  abort(): Promise<void>;
}

/** What not every store can do; declared, so that nobody finds out by failing. */
export interface StoreAbilities {
  /** `adopt` is there: a finished local file becomes an object without copying its bytes. */
  readonly adoptsFiles: boolean;
  /** Objects outlive the process. */
  readonly persistent: boolean;
  /** `expendable` is kept and honoured. Without it the option has no effect. */
  readonly ranksObjects: boolean;
  /** `replaces` is honoured. Without it the option has no effect. */
  readonly writesConditionally: boolean;
  /** `replaced` is there: a replaced revision can be read for a while. Default: false. */
  readonly keepsReplaced?: boolean | undefined;
}

/** A failure that a store of several tiers made up for, so that its callers do not get it. */
export interface StoreFailure {
  readonly tier: 'near' | 'far';
  /** `undefined`: of no object in particular. */
  readonly key: string | undefined;
  readonly error: SnapshotError;
}

/**
 * Where finished snapshots live.
 *
 * - An object MUST NOT be readable before `commit()` (or `adopt()`) resolved. An aborted, crashed or
 *   failed write MUST leave nothing readable, and what was stored under the key before stays.
 * - When an object is replaced, a body that is being read MUST yield the old or the new revision to
 *   its end, never a mix. `size`, `revision`, `metadata` and `body` of one `open` are of one revision.
 * - `delete` MUST be atomic and idempotent, and MUST NOT disturb bodies that are being read.
 * - Keys are opaque strings of at least 1 byte; a store takes 2,048 bytes or more. Different strings
 *   are different objects.
 * - `stat`, `open`, `create` and `adopt` reject when their signal has aborted already.
 * - A store MAY drop objects at any time (budget, eviction): that is a miss, never an error.
 * - A store that ranks objects MUST NOT drop one that is not expendable to make room for one that is.
 *   When the room that expendable objects take is not enough, the new one is not kept: its commit MUST
 *   succeed, and its key MUST be a miss afterwards. For an object that is not expendable anything may
 *   go. Either way, the objects that were not opened for longest SHOULD go first.
 * - A replaced object MUST have the rank of the new one, from the moment that the new one is readable.
 * - In a store that writes conditionally, a write that names what it `replaces` MUST be refused when
 *   something else is stored, or nothing is: `create`, `write`, `commit` or `adopt` rejects with a
 *   `SnapshotError` coded `PRECONDITION_FAILED`. Of any number of writes in place of one revision, or of
 *   nothing, at most one MUST commit, whichever processes make them. A refused write is a failed write.
 * - In a store that keeps replaced revisions, a revision that a write named as what it `replaces` SHOULD
 *   stay readable for some minutes: `open` gives it to callers that name it, `replaced` lists it, and
 *   nothing else shows it. It MUST be gone when `delete` of its key resolved.
 * - Failures reject with a `SnapshotError` coded `STORE_FAILED` or, for a full disk, `STORAGE_FULL`.
 */
export interface SnapshotStore {
  readonly abilities: StoreAbilities;
  /** `undefined` when nothing is stored under the key. */
  stat(
    key: string,
    options?: { signal?: AbortSignal | undefined },
  ): Promise<StoredObject | undefined>;
  /** `undefined` when nothing is stored, or not the revision that was asked for. */
  open(key: string, options?: OpenOptions): Promise<OpenedObject | undefined>;
  /**
   * Optional: only there when clients are to download from the store themselves. A URL that gives whoever
   * has it the whole object, for a while; `undefined` when another revision, or nothing, is stored, or it
   * has no URL: then its bytes are served.
   */
  urlOf?(key: string, options: UrlOptions): Promise<string | undefined>;
  /**
   * Starts a write of these metadata, as they are now. When `signal` aborts, the write is aborted and
   * its calls reject.
   */
  create(key: string, metadata: Metadata, options?: CreateOptions): Promise<ObjectWriter>;
  /**
   * Takes over a finished file, which is gone from its place afterwards, or throws and leaves it.
   * Only there when `abilities.adoptsFiles`. The bytes of readers that have the file open stay.
   */
  adopt?(
    key: string,
    file: string,
    metadata: Metadata,
    options?: AdoptOptions,
  ): Promise<StoredObject>;
  delete(key: string): Promise<void>;
  /**
   * Only there when `abilities.keepsReplaced`: describes the replaced revisions of an object that `open`
   * still gives, the last one first; none when nothing is stored under the key.
   */
  replaced?(
    key: string,
    options?: { signal?: AbortSignal | undefined },
  ): Promise<readonly StoredObject[]>;
  /** All stored objects, in no particular order. */
  list(options?: ListOptions): AsyncIterable<StoredObject>;
  /** Called once by the owner at its start, who is then told of such failures. Default: there are none. */
  watch?(onFailure: (failure: StoreFailure) => void): void;
  /** Called once by the owner when it shuts down. Default: nothing to release. */
  close?(): Promise<void>;
}

import type { Readable } from 'node:stream';
import type { SignalOptions } from '../async/signal-options.js';
import type { SnapshotError } from '../errors.js';

/** Flat text pairs that a store keeps beside an object's bytes and gives back exactly. */
export type Metadata = Readonly<Record<string, string>>;

/** An inclusive byte range within an object: `0 ≤ start ≤ end < size`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** A store evicts objects of low priority first. */
export type Priority = 'normal' | 'low';

/** The description of a stored object, without its bytes. */
export interface StoredObject {
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  /**
   * Names this version of the stored object. Each `put` makes a new one, for equal bytes too.
   * Opaque. In this contract, a revision is always a version of a stored object, never the state of
   * a mirror.
   */
  readonly revision: string;
  /** When this revision was stored, in milliseconds since the epoch. */
  readonly storedAt: number;
  readonly metadata: Metadata;
  /** Left out by stores without priorities. */
  readonly priority?: Priority | undefined;
}

/**
 * The revision that must be stored when the write is published. `null`: none may be. `undefined`:
 * no condition.
 */
export type WriteCondition = string | null | undefined;

/** Options of `put` and `putFile`. */
export interface PutOptions extends SignalOptions {
  /** Default: none. If the caller changes them after the call, the store keeps the old ones. */
  metadata?: Metadata | undefined;
  /** The write's condition. Only stores with `writesConditionally` honour it. Default: none. */
  ifRevision?: WriteCondition;
  /** Stores without priorities ignore it. Default: `normal`. */
  priority?: Priority | undefined;
}

/** Options of `open`. */
export interface OpenOptions extends SignalOptions {
  /** Only these bytes. The caller makes sure that they lie within the object. Default: all. */
  range?: ByteRange | undefined;
  /** Only this revision, stored or replaced. `open` returns `undefined` if the store lacks it. */
  revision?: string | undefined;
}

/** Options of `getDownloadUrl`. */
export interface DownloadUrlOptions extends SignalOptions {
  /** Only this revision. */
  readonly revision: string;
  /** A header of the download. */
  readonly contentType: string;
  /** A header of the download. */
  readonly contentDisposition: string;
}

/** Options of `getFile`. */
export interface GetFileOptions extends SignalOptions {
  /** Only this revision, stored or replaced. */
  readonly revision: string;
}

/** A file with the bytes of one revision. */
export interface StoredFile {
  /** The absolute path of a directory, which is the same for all files of the store. */
  readonly directory: string;
  /** Relative to the directory, with `/` between its parts. It needs no escapes in a URL. */
  readonly path: string;
}

/** Options of `list`. */
export interface ListOptions extends SignalOptions {
  /** Only objects whose keys begin with it: as `startsWith` of a string. Default: all. */
  prefix?: string | undefined;
}

export interface OpenedObject extends StoredObject {
  /**
   * The requested bytes. All other properties describe the whole object. The caller of `open` reads
   * the body to its end or destroys it. It may change the chunks: they MUST NOT be the memory in which
   * the store keeps the object.
   */
  readonly body: Readable;
}

/**
 * Keeps finished snapshots. `storeContract`, of `express-git-snapshot/testing`, tests a store of your
 * own against this contract.
 *
 * - An object MUST NOT be readable before the store has all of its bytes. A crashed or failed write
 *   MUST leave nothing readable, and the object that was stored before stays.
 * - When an object is replaced, a body that is being read MUST yield the old or the new revision to
 *   its end, never a mix. `size`, `revision`, `metadata` and `body` of one `open` are of one
 *   revision.
 * - `delete` MUST be atomic and idempotent, and MUST NOT disturb bodies that are being read.
 * - Keys are opaque strings of 1 to 2,048 bytes in UTF-8; neither they nor prefixes have lone
 *   surrogates. Different strings are different objects. An object may have 0 bytes.
 * - If writes under one key overlap, the last one to end wins. Their bytes MUST NOT mix.
 * - A store MAY drop objects at any time (budget, eviction): that is a miss, never an error.
 * - A store with priorities MUST NOT evict an object of normal priority to make room for one of low
 *   priority. If evicting all objects of low priority would not make enough room, the store does
 *   not keep the new object: the write MUST succeed, and its key MUST be a miss afterwards. To make
 *   room for an object of normal priority, a store may evict any object. In both cases it SHOULD
 *   evict the least recently opened objects first.
 * - A replaced object MUST have the priority of the new one, from the moment that the new one is
 *   readable.
 * - Failures reject with a `SnapshotError` coded `STORE_FAILED`, for a full disk `STORAGE_FULL`, or,
 *   if the storage asks for fewer requests, `STORE_BUSY`. The service takes any other error for a
 *   defect: `INTERNAL`, which is not transient.
 */
export interface SnapshotStore {
  /**
   * Whether `put` and `putFile` honour `ifRevision`. Then they MUST reject with a `SnapshotError`
   * coded `PRECONDITION_FAILED` unless the named revision is stored when the object would be
   * published; for `null`, unless nothing is. If several writes name the same revision, or `null`,
   * the store MUST publish at most one of them, even if different processes make them. Default:
   * false.
   */
  readonly writesConditionally?: boolean | undefined;
  /**
   * Optional: the failure because of which the store works only in part at the moment, such as without
   * the storage that it shares with others. `undefined`: it works. `service.health()` warns of it.
   */
  readonly degradation?: SnapshotError | undefined;
  /** `undefined` when nothing is stored under the key. */
  stat(key: string, options?: SignalOptions): Promise<StoredObject | undefined>;
  /**
   * `undefined` when nothing is stored, or another revision than the requested one. The signal MUST
   * destroy the body when it aborts.
   */
  open(key: string, options?: OpenOptions): Promise<OpenedObject | undefined>;
  /**
   * Stores the bytes of a body. Reads the body to its end; if the write fails before that, ends the
   * body, as `for await` does. A chunk belongs to the store until it asks for the next one: then
   * the caller may use its memory again.
   *
   * When the body fails, or the signal aborts before the object is published, `put` MUST store
   * nothing, and reject with the error of the body or the reason of the signal. It is enough to
   * check the signal at the end of the body: the service's bodies fail as soon as the signal aborts.
   */
  put(key: string, body: AsyncIterable<Uint8Array>, options?: PutOptions): Promise<StoredObject>;
  delete(key: string, options?: SignalOptions): Promise<void>;
  /**
   * The stored objects whose keys begin with `prefix`, and no others, in no particular order. It
   * rejects if it can't give all of them. It SHOULD cost little for a prefix that ends with a
   * slash: the service lists the objects of one repository.
   */
  list(options?: ListOptions): AsyncIterable<StoredObject>;
  /**
   * Optional: as `put`, for a finished file that need not be copied. The file is gone from its
   * place afterwards. If it rejects, the file stays. Readers that have the file open still read its
   * bytes.
   */
  putFile?(key: string, file: string, options?: PutOptions): Promise<StoredObject>;
  /**
   * Optional: a store has it only if clients should download from the storage directly. Returns a
   * URL from which anybody can download the whole object for a while. `undefined` when nothing or
   * another revision is stored, or the object has no URL: the caller then serves its bytes.
   */
  getDownloadUrl?(key: string, options: DownloadUrlOptions): Promise<string | undefined>;
  /**
   * Optional: a file that holds the bytes of a revision and nothing else, so that a web server on
   * this machine can send it. `undefined` when the store lacks the revision, or has no file of it:
   * the caller then serves its bytes.
   *
   * Counts as a use of the object. The file MAY be removed at any time, but it MUST never have other
   * bytes, and its path MUST never be used for other bytes.
   */
  getFile?(key: string, options: GetFileOptions): Promise<StoredFile | undefined>;
  /**
   * Optional: describes the revisions of an object that were replaced, and that `open` still
   * returns to callers that name them; the latest first. None when nothing is stored under the key.
   *
   * In a store that has it, the revision that a write names as `ifRevision` SHOULD stay readable
   * for some minutes after it was replaced. `stat`, `list`, and `open` without its name do not show
   * it. All replaced revisions of a key MUST be gone when `delete` of the key resolves.
   */
  listReplaced?(key: string, options?: SignalOptions): Promise<readonly StoredObject[]>;
  /**
   * Optional: releases what the store holds. The app that made the store calls it once, when nothing
   * uses the store any more: the router and the service do not close it.
   */
  close?(): Promise<void>;
}

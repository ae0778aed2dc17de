import type { Readable } from 'node:stream';
import { unlessAborted } from '../../async/abort.js';
import { elapsedSince, LONG_AGO, now } from '../../async/clock.js';
import { SnapshotError } from '../../errors.js';
import type { ByteRange, OpenOptions } from '../store.js';
import { keyOf, nameStart, objectName } from './object-name.js';
import type { PresignOptions } from './options.js';

/** The server's description of an object. */
export interface ObjectHead {
  /** Bytes of the whole object. */
  readonly size: number;
  /** Names the version, or its bytes: S3's tag is equal for equal bytes. */
  readonly etag: string;
  /** The server's own version, in buckets that keep versions. */
  readonly versionId?: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch, by the server's clock. */
  readonly modifiedAt?: number | undefined;
  /** The server's date when it answered: milliseconds since the epoch. */
  readonly date?: number | undefined;
}

export interface ObjectAnswer extends ObjectHead {
  /** The caller has to read or destroy it. */
  readonly body: Readable;
}

export interface ListedObject {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since the epoch, by the server's clock. */
  readonly modifiedAt: number;
  /** Left out if the server does not list metadata. */
  readonly head?: ObjectHead | undefined;
}

export interface GetOptions extends Pick<OpenOptions, 'range' | 'signal'> {
  /** Only this version: the answer may be `changed`. A bucket may ignore it. */
  readonly only?: ObjectHead | undefined;
}

/**
 * Checks the condition of a write against the stored object.
 *
 * @returns the object that must still be stored when the write is published; `undefined`: none.
 * @throws SnapshotError `PRECONDITION_FAILED`
 */
export type CheckCondition = (signal: AbortSignal | undefined) => Promise<ObjectHead | undefined>;

export interface BucketWrite {
  readonly key: string;
  readonly name: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly revision: string;
  /** The end of the body, behind the object's bytes; usually empty. */
  readonly trailer: Buffer;
  /** `undefined`: no condition. */
  readonly checkCondition: CheckCondition | undefined;
  /** Called once, before the request that publishes the object. Its failure ends the write. */
  readonly publishing: () => Promise<void>;
  readonly signal: AbortSignal | undefined;
}

/** Milliseconds for which an existing bucket is not checked again. */
const SEEN_FOR = 10_000;

/**
 * Makes the requests of a `BucketStore`, for the objects below a prefix of one bucket. All methods
 * throw the signal's reason, or SnapshotError `STORE_FAILED`, `STORE_BUSY` or `STORAGE_FULL`.
 */
export abstract class Bucket {
  /** For messages. */
  abstract readonly title: string;
  /** The names of all objects begin with it. */
  readonly prefix: string;
  /** When the bucket was last found. */
  #seenAt = LONG_AGO;

  constructor(prefix: string) {
    this.prefix = prefix;
  }

  abstract head(name: string, signal?: AbortSignal): Promise<ObjectHead | undefined>;

  /**
   * One answer always belongs to one version of the object, even if it is replaced meanwhile.
   *
   * @returns `outside` if the range starts after the object's end. If the range only ends after it,
   *   the server cuts the range.
   */
  abstract get(
    name: string,
    options: GetOptions,
  ): Promise<ObjectAnswer | 'missing' | 'outside' | 'changed'>;

  /**
   * Stores the bytes of a body under the name. Holds some parts in memory, never the whole body.
   *
   * @throws SnapshotError `PRECONDITION_FAILED`, too, and the error of the body.
   */
  abstract write(write: BucketWrite, body: AsyncIterable<Uint8Array>): Promise<void>;

  /**
   * Copies an object with its metadata within the bucket. The bytes don't leave the server. Copies
   * nothing if the object was replaced or deleted meanwhile.
   */
  abstract copy(from: string, to: string, head: ObjectHead, signal: AbortSignal): Promise<void>;

  /** Idempotent. */
  abstract delete(name: string): Promise<void>;

  /** All objects whose names begin with `under`, a page at a time. */
  abstract contents(under: string, signal?: AbortSignal): AsyncGenerator<ListedObject[]>;

  /** Ends work in the background. Idempotent. */
  close(): void {}

  /** Makes a URL from which anybody can download the object for some time. */
  abstract sign(name: string, head: ObjectHead, options: PresignOptions): Promise<string>;

  /** The full name of a key's object, as requests use it. */
  nameOf(key: string): string {
    return this.prefix + objectName(key);
  }

  /** The beginning of the names of all keys that begin with `start`, and perhaps of others. */
  nameStart(start: string): string {
    return this.prefix + nameStart(start);
  }

  /** The key of an object's name; `undefined` if the name does not hold it. */
  keyOf(name: string): string | undefined {
    return keyOf(name.slice(this.prefix.length));
  }

  /** For servers whose answer does not tell whether the object or the bucket is missing. */
  protected async requireBucket(
    check: () => Promise<unknown>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (elapsedSince(this.#seenAt) < SEEN_FOR) return;
    await unlessAborted(check(), signal);
    this.#seenAt = now();
  }
}

/** @returns bytes of the whole object. Content-Range: RFC 9110, section 14.4. */
export function wholeSize({ start, end }: ByteRange, field: string | undefined): number {
  const [, first, last, size] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(field ?? '') ?? [];
  const total = Number(size);
  if (Number(first) !== start || Number(last) !== Math.min(end, total - 1)) {
    throw unexpected(`the range ${field} for ${start}-${end}`);
  }
  return total;
}

export function unexpected(what: string): SnapshotError {
  return new SnapshotError('STORE_FAILED', `the server gave ${what}`);
}

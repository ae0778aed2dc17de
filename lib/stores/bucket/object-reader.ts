import { buffer } from 'node:stream/consumers';
import { retry } from '../../async/retry.js';
import { SnapshotError } from '../../errors.js';
import { sliceOf } from '../range.js';
import type { ByteRange, OpenedObject, OpenOptions, StoredObject } from '../store.js';
import type { Bucket, ListedObject, ObjectHead } from './bucket.js';
import { decodeMetadata, decodeTrailer } from './description.js';
import { pointedName, pointedSize } from './large-objects.js';
import { ObjectBody } from './object-body.js';

/** How often the store tries to read an object that other writers keep replacing. */
const MAX_ATTEMPTS = 5;

/** An object and where it was found. */
export interface FoundObject {
  readonly object: StoredObject;
  readonly head: ObjectHead;
  /** The S3 object that holds the bytes, if the found one is a pointer. */
  readonly large: string | undefined;
}

/** Opens the rest of a revision whose bytes were cut off; `undefined` if it is gone. */
export type OpenRest = (
  object: StoredObject,
  options: Required<Pick<OpenOptions, 'range' | 'signal'>>,
) => Promise<OpenedObject | undefined>;

/** Reads objects with their descriptions, so that both belong to one version of the object. */
export class ObjectReader {
  readonly #bucket: Bucket;

  constructor(bucket: Bucket) {
    this.#bucket = bucket;
  }

  /**
   * Finds the object of a name.
   *
   * @param key the key that the object must have. Default: any key with that name.
   */
  async find(name: string, key?: string, signal?: AbortSignal): Promise<FoundObject | undefined> {
    const { head, object, large } = await this.look(name, key, signal);
    return head && object && { head, object, large };
  }

  /** The object that a pointer points to, even if its description can't be read. */
  async pointedBy(name: string): Promise<string | undefined> {
    const head = await this.#bucket.head(name);
    return head && pointedName(this.#bucket, name, head);
  }

  /** As `find`. `head` without `object`: no store wrote the S3 object. */
  look(name: string, key?: string, signal?: AbortSignal): Promise<Partial<FoundObject>> {
    return unlessChanging(async () => {
      const head = await this.#bucket.head(name, signal);
      if (head === undefined) return {};
      const object = await this.#describe(name, key, head, signal);
      if (object === 'changed') return object;
      return object === undefined
        ? { head }
        : { head, object, large: pointedName(this.#bucket, name, head) };
    });
  }

  /** As `find`, for an object of a list. Makes no request if the server has listed its metadata. */
  async findListed({ name, head }: ListedObject, signal?: AbortSignal) {
    const object = head && (await this.#describe(name, undefined, head, signal));
    return object === undefined || object === 'changed'
      ? (await this.find(name, undefined, signal))?.object
      : object;
  }

  /**
   * Opens the object of a name.
   *
   * @param openRest lets the body continue after it was cut off. Default: then it fails.
   * @param only this version of the server's object.
   */
  open(
    name: string,
    key: string,
    options: OpenOptions,
    openRest?: OpenRest,
    only?: ObjectHead,
  ): Promise<OpenedObject | undefined> {
    const { range, revision, signal } = options;
    /** The revision of a pointer whose bytes are missing: perhaps it was replaced just now. */
    let dangling: string | undefined;
    const openLarge = async (large: string, { revision: pointed }: StoredObject) => {
      const opened = await this.open(large, key, { ...options, revision: pointed }, openRest);
      if (opened !== undefined || dangling === pointed) return opened;
      dangling = pointed;
      return 'changed';
    };
    return unlessChanging(async () => {
      const wanted = { range, signal, only };
      const answer = isRange(range) ? await this.#bucket.get(name, wanted) : 'outside';
      if (answer === 'missing') return undefined;
      if (answer === 'changed') return only === undefined ? answer : undefined;
      if (answer === 'outside') {
        const found = await this.find(name, key, signal);
        if (found === undefined || isOther(found.object, revision)) return undefined;
        sliceOf(range, found.object.size);
        if (found.large === undefined) return 'changed';
        return await openLarge(found.large, found.object);
      }
      const { body } = answer;
      let opened: OpenedObject | undefined;
      try {
        const object = await this.#describe(name, key, answer, signal);
        if (object === undefined || object === 'changed') return object;
        if (isOther(object, revision)) return undefined;
        const slice = sliceOf(range, object.size);
        signal?.throwIfAborted();
        const large = pointedName(this.#bucket, name, answer);
        if (large !== undefined) return await openLarge(large, object);
        const rest = async (left: ByteRange, ends: AbortSignal) => {
          const about = { range: left, revision: object.revision, signal: ends };
          const same = await this.open(name, key, about, undefined, answer);
          return (same ?? (await openRest?.(object, about)))?.body;
        };
        const bodyOptions = { signal, ...(openRest !== undefined && { openRest: rest }) };
        opened = { ...object, body: new ObjectBody(this.#of(key), body, slice, bodyOptions) };
        return opened;
      } finally {
        if (opened === undefined) body.destroy();
      }
    });
  }

  /** @returns `changed` if the object was replaced meanwhile; `undefined` if no store wrote it. */
  async #describe(
    name: string,
    key: string | undefined,
    head: ObjectHead,
    signal: AbortSignal | undefined,
  ): Promise<StoredObject | 'changed' | undefined> {
    const { metadata, size: total, etag } = head;
    let description = decodeMetadata(metadata);
    let size = total;
    if (description !== undefined && 'trailer' in description) {
      size -= description.trailer;
      if (size < 0) return undefined;
      const range = { start: size, end: total - 1 };
      const answer = await this.#bucket.get(name, { range, only: head, signal });
      if (typeof answer === 'string') return 'changed';
      const body = new ObjectBody(
        this.#of(name),
        answer.body,
        { start: size, stop: total },
        { signal },
      );
      // The revision is in the trailer, so that versions with trailers have different tags.
      if (answer.etag !== etag) {
        body.destroy();
        return 'changed';
      }
      description = decodeTrailer(await buffer(body));
    }
    if (description === undefined) return undefined;
    const isOfName = key === undefined && this.#bucket.nameOf(description.key) === name;
    if (!isOfName && description.key !== key) return undefined;
    return { ...description, size: pointedSize(metadata) ?? size };
  }

  #of(key: string): string {
    return `the body of ${JSON.stringify(key)} in ${this.#bucket.title}`;
  }
}

/** Whether an object is another version than the requested one. */
export function isOther(object: StoredObject, revision: string | undefined): boolean {
  return revision !== undefined && object.revision !== revision;
}

/** Reads again if the object was replaced between two requests. */
async function unlessChanging<T>(read: () => Promise<T | 'changed'>): Promise<T> {
  const attempt = async () => {
    const outcome = await read();
    return outcome === 'changed' ? undefined : { outcome };
  };
  const exhausted = () =>
    new SnapshotError('STORE_FAILED', 'the object is replaced faster than it can be read');
  return (await retry(MAX_ATTEMPTS, attempt, exhausted)).outcome;
}

/** Whether a request can name the range. The answer shows whether it lies within the object. */
function isRange(range: ByteRange | undefined): boolean {
  if (range === undefined) return true;
  const { start, end } = range;
  return Number.isSafeInteger(start) && Number.isSafeInteger(end) && 0 <= start && start <= end;
}

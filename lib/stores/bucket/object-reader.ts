import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { destroyOnAbort } from '../../async/abort.js';
import { retry } from '../../async/retry.js';
import { SnapshotError } from '../../errors.js';
import { sliceOf } from '../range.js';
import type { ByteRange, OpenedObject, OpenOptions, StoredObject } from '../store.js';
import type { Bucket, ListedObject, ObjectHead } from './bucket.js';
import { decodeMetadata, decodeTrailer } from './description.js';

/** How often the store tries to read an object that other writers keep replacing. */
const MAX_ATTEMPTS = 5;

/** An object and where it was found. */
export interface FoundObject {
  readonly object: StoredObject;
  readonly head: ObjectHead;
}

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
    const { head, object } = await this.look(name, key, signal);
    return head && object && { head, object };
  }

  /** As `find`. `head` without `object`: no store wrote the server's object. */
  look(name: string, key?: string, signal?: AbortSignal): Promise<Partial<FoundObject>> {
    return unlessChanging(async () => {
      const head = await this.#bucket.head(name, signal);
      if (head === undefined) return {};
      const object = await this.#describe(name, key, head, signal);
      if (object === 'changed') return object;
      return object === undefined ? { head } : { head, object };
    });
  }

  /** As `find`, for an object of a list. Makes no request if the server has listed its metadata. */
  async findListed({ name, head }: ListedObject, signal?: AbortSignal) {
    const object = head && (await this.#describe(name, undefined, head, signal));
    return object === undefined || object === 'changed'
      ? (await this.find(name, undefined, signal))?.object
      : object;
  }

  open(name: string, key: string, options: OpenOptions): Promise<OpenedObject | undefined> {
    const { range, revision, signal } = options;
    return unlessChanging(async () => {
      const answer = isRange(range) ? await this.#bucket.get(name, { range, signal }) : 'outside';
      if (answer === 'missing') return undefined;
      if (answer === 'changed') return answer;
      if (answer === 'outside') {
        const found = await this.find(name, key, signal);
        if (found === undefined || isOther(found.object, revision)) return undefined;
        sliceOf(range, found.object.size);
        return 'changed';
      }
      const { body } = answer;
      let opened: OpenedObject | undefined;
      try {
        const object = await this.#describe(name, key, answer, signal);
        if (object === undefined || object === 'changed') return object;
        if (isOther(object, revision)) return undefined;
        const { start, stop } = sliceOf(range, object.size);
        signal?.throwIfAborted();
        opened = { ...object, body: this.#bodyOf(key, body, stop - start, signal) };
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
      const body = this.#bodyOf(name, answer.body, description.trailer, signal);
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
    return { ...description, size };
  }

  #bodyOf(key: string, body: Readable, length: number, signal: AbortSignal | undefined): Readable {
    const of = `the body of ${JSON.stringify(key)} in ${this.#bucket.title}`;
    return new AnswerBody(of, body, length, signal);
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

/**
 * The first `length` bytes of an answer. It fails if the connection ends too early, or if the SDK
 * finds that the checksum differs from the stored one.
 */
class AnswerBody extends Readable {
  readonly #of: string;
  readonly #source: Readable;
  #missing: number;

  constructor(of: string, source: Readable, length: number, signal?: AbortSignal | undefined) {
    super();
    this.#of = of;
    this.#source = source;
    this.#missing = length;
    source.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onError);
    source.once('close', this.#onEnd);
    source.pause();
    destroyOnAbort(this, signal);
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.destroyed) return;
    const wanted = chunk.subarray(0, this.#missing);
    this.#missing -= wanted.length;
    if (wanted.length > 0 && !this.push(wanted)) this.#source.pause();
    if (wanted.length < chunk.length) this.#finish();
  };

  readonly #onEnd = (): void => {
    if (this.destroyed || this.readableEnded) return;
    if (this.#missing === 0) this.#finish();
    else this.#onError(new Error(`the connection ended ${this.#missing} bytes too early`));
  };

  readonly #onError = (cause: Error): void => {
    this.destroy(new SnapshotError('STORE_FAILED', `${this.#of}: ${cause.message}`, { cause }));
  };

  #finish(): void {
    this.#source.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onEnd);
    // Errors after the last byte, such as that of an SDK whose answer is given up, don't count.
    this.#source.off('error', this.#onError).on('error', () => {});
    this.#source.destroy();
    this.push(null);
  }

  override _read(): void {
    this.#source.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#source.destroy();
    callback(error);
  }
}

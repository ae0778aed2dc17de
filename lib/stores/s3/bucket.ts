import { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  type S3Client,
} from '@aws-sdk/client-s3';
import { unlessAborted } from '../../async/abort.js';
import { elapsedSince, LONG_AGO, now } from '../../async/clock.js';
import { SnapshotError } from '../../errors.js';
import type { ByteRange, OpenOptions } from '../store.js';
import { watchAnswer } from './answer.js';
import type { S3StoreConfig } from './config.js';
import { answerOf, statusOf, storeFailure } from './failure.js';
import { keyOf, nameStart, objectName } from './object-name.js';

/** S3's description of an object. */
export interface ObjectHead {
  /** Bytes of the whole object. */
  readonly size: number;
  readonly etag: string;
  /** S3's own version, in buckets that keep versions. */
  readonly versionId: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch, by the server's clock. */
  readonly modifiedAt: number | undefined;
  /** The server's date: milliseconds since the epoch; `undefined` if it is not known. */
  readonly date: number | undefined;
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
}

const NO_OBJECT = { 404: 'missing' } as const;
const NO_RANGE = { ...NO_OBJECT, 412: 'changed', 416: 'outside' } as const;
/** Milliseconds for which an existing bucket is not checked again. */
const SEEN_FOR = 10_000;

/** Makes the requests of a store, for the objects below a prefix of a bucket. */
export class S3Bucket {
  readonly name: string;
  readonly client: S3Client;
  /** The names of all objects begin with it. */
  readonly prefix: string;
  /** When the bucket was last found. */
  #seenAt = LONG_AGO;

  constructor({ client, bucket, prefix }: Pick<S3StoreConfig, 'client' | 'bucket' | 'prefix'>) {
    this.client = client;
    this.name = bucket;
    this.prefix = prefix;
  }

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

  async head(name: string, signal?: AbortSignal): Promise<ObjectHead | undefined> {
    const command = new HeadObjectCommand({ Bucket: this.name, Key: name });
    const watched = watchAnswer(command);
    const request = this.client.send(command, toOptions(signal));
    const answer = await answerOf(request, command, signal, NO_OBJECT);
    if (answer !== 'missing') return toHead(answer, answer.ContentLength, watched.date);
    await this.#requireBucket(signal);
    return undefined;
  }

  /**
   * One answer always belongs to one version of the object, even if it is replaced meanwhile.
   *
   * @param etag only the version with this tag.
   * @returns `outside` if the range starts after the object's end. If the range only ends after it,
   *   the server cuts the range. `changed` if the version has another tag.
   */
  async get(
    name: string,
    { range, signal, etag }: Pick<OpenOptions, 'range' | 'signal'> & { etag?: string },
  ): Promise<ObjectAnswer | 'missing' | 'outside' | 'changed'> {
    const command = new GetObjectCommand({
      Bucket: this.name,
      Key: name,
      ...(range !== undefined && { Range: `bytes=${range.start}-${range.end}` }),
      ...(etag !== undefined && { IfMatch: etag }),
    });
    const request = this.client.send(command, toOptions(signal));
    const answer = await answerOf(request, command, signal, NO_RANGE);
    if (typeof answer === 'string') return answer;
    const body = answer.Body;
    if (!(body instanceof Readable)) throw unexpected('an answer without a Node stream');
    try {
      const size =
        range === undefined ? answer.ContentLength : wholeSize(range, answer.ContentRange);
      return { ...toHead(answer, size), body };
    } catch (error) {
      body.destroy();
      throw error;
    }
  }

  /** A 404 without a body does not tell whether the object or the bucket is missing. */
  async #requireBucket(signal: AbortSignal | undefined): Promise<void> {
    if (elapsedSince(this.#seenAt) < SEEN_FOR) return;
    const command = new HeadBucketCommand({ Bucket: this.name });
    const isThere = this.client.send(command, toOptions(signal)).catch((error: unknown) => {
      // The credentials may allow reading objects, but not this request.
      if (statusOf(error) === 404) throw storeFailure(error, command);
    });
    await unlessAborted(isThere, signal);
    this.#seenAt = now();
  }

  async delete(name: string): Promise<void> {
    const command = new DeleteObjectCommand({ Bucket: this.name, Key: name });
    await answerOf(this.client.send(command), command, undefined, NO_OBJECT);
  }

  /** All objects whose names begin with `under`, a page at a time. */
  async *contents(under: string, signal?: AbortSignal): AsyncGenerator<ListedObject[]> {
    let token: string | undefined;
    do {
      const command = new ListObjectsV2Command({
        Bucket: this.name,
        Prefix: under,
        ContinuationToken: token,
      });
      const page = await answerOf(this.client.send(command, toOptions(signal)), command, signal);
      yield (page.Contents ?? []).flatMap(({ Key, Size = 0, LastModified }) =>
        Key === undefined
          ? []
          : [{ name: Key, size: Size, modifiedAt: LastModified?.getTime() ?? Date.now() }],
      );
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }
}

function toOptions(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}

function toHead(
  { ETag, VersionId, Metadata, LastModified }: Partial<GetObjectCommandOutput>,
  size: number | undefined,
  date?: number | undefined,
): ObjectHead {
  if (size === undefined || ETag === undefined) throw unexpected('an answer without size or tag');
  const modifiedAt = LastModified?.getTime();
  return { size, etag: ETag, versionId: VersionId, metadata: Metadata ?? {}, modifiedAt, date };
}

/** Content-Range: RFC 9110, section 14.4. */
function wholeSize({ start, end }: ByteRange, field: string | undefined): number {
  const [, first, last, size] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(field ?? '') ?? [];
  const total = Number(size);
  if (Number(first) !== start || Number(last) !== Math.min(end, total - 1)) {
    throw unexpected(`the range ${field} for ${start}-${end}`);
  }
  return total;
}

function unexpected(what: string): SnapshotError {
  return new SnapshotError('STORE_FAILED', `S3 gave ${what}`);
}

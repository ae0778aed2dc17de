import { Readable } from 'node:stream';
import {
  CompleteMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
} from '@aws-sdk/client-s3';
import {
  Bucket,
  type BucketWrite,
  type GetOptions,
  type ListedObject,
  type ObjectAnswer,
  type ObjectHead,
  unexpected,
  wholeSize,
} from '../bucket/bucket.js';
import { largeName, pointedName } from '../bucket/large-objects.js';
import type { PresignOptions } from '../bucket/options.js';
import { watchAnswer } from './answer.js';
import { ConditionalWrites, type Publish, sendPublish } from './conditional-writes.js';
import type { S3StoreConfig } from './config.js';
import { copyObject } from './copy.js';
import { answerOf, statusOf, storeFailure } from './failure.js';
import { LargeWrites } from './large-writes.js';
import { presignObject } from './presign.js';
import { upload } from './upload.js';

const NO_OBJECT = { 404: 'missing' } as const;
const NO_RANGE = { ...NO_OBJECT, 412: 'changed', 416: 'outside' } as const;

/** The requests of an `S3Store`. */
export class S3Bucket extends Bucket {
  readonly title: string;
  readonly #config: S3StoreConfig;
  readonly #bucket: { readonly Bucket: string };
  readonly #conditionalWrites: ConditionalWrites;
  readonly #large: LargeWrites;

  constructor(config: S3StoreConfig) {
    super(config.prefix);
    this.title = `the S3 bucket ${config.bucket}`;
    this.#config = config;
    this.#bucket = { Bucket: config.bucket };
    this.#conditionalWrites = new ConditionalWrites(config);
    this.#large = new LargeWrites(this, config);
  }

  async head(name: string, signal?: AbortSignal): Promise<ObjectHead | undefined> {
    const command = new HeadObjectCommand({ ...this.#bucket, Key: name });
    const watched = watchAnswer(command);
    const request = this.#config.client.send(command, toOptions(signal));
    const answer = await answerOf(request, signal, NO_OBJECT);
    if (answer !== 'missing') return { ...toHead(answer, answer.ContentLength), ...watched };
    await this.requireBucket(() => this.#headBucket(signal), signal);
    return undefined;
  }

  async get(
    name: string,
    { range, only, signal }: GetOptions,
  ): Promise<ObjectAnswer | 'missing' | 'outside' | 'changed'> {
    const command = new GetObjectCommand({
      ...this.#bucket,
      Key: name,
      ...(range !== undefined && { Range: `bytes=${range.start}-${range.end}` }),
      ...(only !== undefined && { IfMatch: only.etag }),
    });
    const request = this.#config.client.send(command, toOptions(signal));
    const answer = await answerOf(request, signal, NO_RANGE);
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
  async #headBucket(signal: AbortSignal | undefined): Promise<void> {
    const request = this.#config.client.send(
      new HeadBucketCommand(this.#bucket),
      toOptions(signal),
    );
    await request.catch((error: unknown) => {
      // The credentials may allow reading objects, but not this request.
      if (statusOf(error) === 404) throw storeFailure(error);
    });
  }

  async write(
    { key, name, metadata, revision, trailer, checkCondition, publishing, signal }: BucketWrite,
    body: AsyncIterable<Uint8Array>,
  ): Promise<void> {
    const { client, conditionalWrites } = this.#config;
    const condition = conditionalWrites ? checkCondition : undefined;
    const type = { ContentType: 'application/octet-stream' };
    const params = { ...this.#bucket, Key: name, Metadata: metadata, ...type };
    let bytes = 0;
    const counted = async function* () {
      for await (const chunk of body) {
        bytes += chunk.length;
        yield chunk;
      }
    };
    /** The name of the bytes, if the object gets a pointer. */
    let large: string | undefined;
    const nameParts = async (): Promise<string> => {
      const needsPointer =
        condition !== undefined && (await this.#conditionalWrites.needPointers());
      if (needsPointer) large = largeName(this, name, revision);
      return large ?? name;
    };
    const publish = async (...[command, options]: Parameters<Publish>): Promise<void> => {
      await publishing();
      if (condition === undefined) {
        await sendPublish(client, command, options);
        return;
      }
      let last = command;
      if (large !== undefined && command instanceof CompleteMultipartUploadCommand) {
        const size = bytes - trailer.length;
        const object = { name: large, size, revision, trailer, params };
        last = await this.#large.complete(command, options, object);
      }
      const replaced = await this.#conditionalWrites.publish(key, condition, last, options);
      await this.#large.remove(replaced && pointedName(this, name, replaced));
    };
    try {
      await upload(params, counted(), { ...this.#config, publish, nameParts, signal });
    } catch (error) {
      await this.#large.removeUnless(large, name);
      throw error;
    }
    if (large !== undefined) void this.#large.sweep();
  }

  override close(): void {
    this.#large.close();
  }

  async copy(from: string, to: string, head: ObjectHead, signal: AbortSignal): Promise<void> {
    const { client, bucket } = this.#config;
    const copying = copyObject(client, { bucket, from, to, head, signal });
    await answerOf(copying, signal, { 404: 'gone', 412: 'gone' });
  }

  async sign(name: string, head: ObjectHead, options: PresignOptions): Promise<string> {
    const { client, bucket } = this.#config;
    return await presignObject(client, { bucket, name }, head, options);
  }

  async delete(name: string): Promise<void> {
    const command = new DeleteObjectCommand({ ...this.#bucket, Key: name });
    await answerOf(this.#config.client.send(command), undefined, NO_OBJECT);
  }

  async *contents(under: string, signal?: AbortSignal): AsyncGenerator<ListedObject[]> {
    let token: string | undefined;
    do {
      const command = new ListObjectsV2Command({
        ...this.#bucket,
        Prefix: under,
        ContinuationToken: token,
      });
      const page = await answerOf(this.#config.client.send(command, toOptions(signal)), signal);
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
): ObjectHead {
  if (size === undefined || ETag === undefined) throw unexpected('an answer without size or tag');
  const modifiedAt = LastModified?.getTime();
  return { size, etag: ETag, versionId: VersionId, metadata: Metadata ?? {}, modifiedAt };
}

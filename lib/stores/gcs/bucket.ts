import { pipeline } from 'node:stream/promises';
import type {
  Bucket as ClientBucket,
  FileMetadata,
  GetFilesOptions,
  GetFilesResponse,
} from '@google-cloud/storage';
import { unlessAborted } from '../../async/abort.js';
import {
  Bucket,
  type BucketWrite,
  type GetOptions,
  type ListedObject,
  type ObjectAnswer,
  type ObjectHead,
  unexpected,
} from '../bucket/bucket.js';
import type { PresignOptions } from '../bucket/options.js';
import { UploadBody } from '../bucket/upload-body.js';
import { preconditionFailure } from '../write-condition.js';
import type { GcsStoreConfig } from './config.js';
import { download } from './download.js';
import { answerOf, refusalOf, storeFailure } from './failure.js';

/** The requests of a `GcsStore`. The tag of an object is its generation, which never comes again. */
export class GcsBucket extends Bucket {
  readonly title: string;
  readonly #config: GcsStoreConfig;
  readonly #bucket: ClientBucket;

  constructor(config: GcsStoreConfig) {
    super(config.prefix);
    this.title = `the GCS bucket ${config.bucket}`;
    this.#config = config;
    this.#bucket = config.client.bucket(config.bucket);
  }

  async head(name: string, signal?: AbortSignal): Promise<ObjectHead | undefined> {
    const request = unlessAborted(this.#bucket.file(name).getMetadata(), signal);
    const answer = await answerOf(request, signal, { 404: 'missing' });
    if (answer !== 'missing') return toHead(answer[0]);
    await this.#requireBucket(signal);
    return undefined;
  }

  async get(
    name: string,
    { range, only, signal }: GetOptions,
  ): Promise<ObjectAnswer | 'missing' | 'outside' | 'changed'> {
    const { client, bucket } = this.#config;
    const answer = await download(client, { bucket, name, range, only, signal });
    if (answer === 'missing') await this.#requireBucket(signal);
    return answer;
  }

  async write(
    { key, name, metadata, checkCondition, publishing, signal }: BucketWrite,
    body: AsyncIterable<Uint8Array>,
  ): Promise<void> {
    const replaced = await checkCondition?.(signal);
    const file = this.#bucket.file(name);
    const target = file.createWriteStream({
      chunkSize: this.#config.partSize,
      // The SDK would delete an object whose checksum is wrong, after others could read it.
      validation: false,
      metadata: { contentType: 'application/octet-stream', metadata: { ...metadata } },
      ...(checkCondition && { preconditionOpts: { ifGenerationMatch: replaced?.etag ?? 0 } }),
    });
    const read = new UploadBody(body, { publishing, signal });
    try {
      await pipeline(read, target, signal === undefined ? {} : { signal });
    } catch (error) {
      read.throwIfFailed();
      if (refusalOf(error)?.status === 412) throw preconditionFailure(key, error);
      throw storeFailure(error);
    }
  }

  async copy(from: string, to: string, head: ObjectHead, signal: AbortSignal): Promise<void> {
    const source = this.#bucket.file(from, { generation: head.etag });
    const copying = unlessAborted(source.copy(this.#bucket.file(to)), signal);
    await answerOf(copying, signal, { 404: 'gone', 412: 'gone' });
  }

  async delete(name: string): Promise<void> {
    await answerOf(this.#bucket.file(name).delete(), undefined, { 404: 'missing' });
  }

  async *contents(under: string, signal?: AbortSignal): AsyncGenerator<ListedObject[]> {
    let query: GetFilesOptions | null = { prefix: under, autoPaginate: false };
    while (query !== null) {
      const request: Promise<GetFilesResponse> = this.#bucket.getFiles(query);
      const [files, next] = await answerOf(unlessAborted(request, signal), signal);
      yield files.map(({ name, metadata }) => {
        const head = toHead(metadata);
        return { name, size: head.size, modifiedAt: Date.parse(metadata.updated ?? ''), head };
      });
      query = next ?? null;
    }
  }

  async sign(name: string, _head: ObjectHead, options: PresignOptions): Promise<string> {
    const { expiresIn, contentType, contentDisposition, signal } = options;
    const signing = this.#bucket.file(name).getSignedUrl({
      version: 'v4',
      action: 'read',
      expires: Date.now() + expiresIn * 1000,
      ...(contentType !== undefined && { responseType: contentType }),
      ...(contentDisposition !== undefined && { responseDisposition: contentDisposition }),
    });
    return (await answerOf(unlessAborted(signing, signal), signal))[0];
  }

  async #requireBucket(signal: AbortSignal | undefined): Promise<void> {
    const check = async () => {
      await this.#bucket.getMetadata().catch((error: unknown) => {
        // The credentials may allow reading objects, but not this request.
        if (refusalOf(error)?.status === 404) throw storeFailure(error);
      });
    };
    await this.requireBucket(check, signal);
  }
}

function toHead({ size, generation, metadata }: FileMetadata): ObjectHead {
  if (size === undefined || generation === undefined)
    throw unexpected('an answer without size or generation');
  const texts = Object.entries(metadata ?? {}).map(([field, value]) => [field, String(value)]);
  return { size: Number(size), etag: String(generation), metadata: Object.fromEntries(texts) };
}

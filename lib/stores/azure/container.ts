import { Readable } from 'node:stream';
import type { ContainerClient } from '@azure/storage-blob';
import { destroyOnAbort, unlessAborted } from '../../async/abort.js';
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
import type { PresignOptions } from '../bucket/options.js';
import { UploadBody } from '../bucket/upload-body.js';
import { preconditionFailure } from '../write-condition.js';
import type { AzureStoreConfig } from './config.js';
import { answerOf, refusalOf, storeFailure } from './failure.js';
import { SignedUrls } from './signed-urls.js';

const MAX_LISTED = 1000;

/** The requests of an `AzureStore`. The tag of a blob is new for each write. */
export class AzureContainer extends Bucket {
  readonly title: string;
  readonly #config: AzureStoreConfig;
  readonly #container: ContainerClient;
  readonly #signedUrls: SignedUrls;

  constructor(config: AzureStoreConfig) {
    super(config.prefix);
    this.title = `the Azure container ${config.container}`;
    this.#config = config;
    this.#container = config.client.getContainerClient(config.container);
    this.#signedUrls = new SignedUrls(config.client);
  }

  async head(name: string, signal?: AbortSignal): Promise<ObjectHead | undefined> {
    const request = this.#container.getBlobClient(name).getProperties(toOptions(signal));
    const answer = await answerOf(request, signal, { 404: 'missing' });
    if (answer === 'missing' || isIncomplete(answer)) return undefined;
    return toHead(answer, answer.contentLength);
  }

  async get(
    name: string,
    { range, only, signal }: GetOptions,
  ): Promise<ObjectAnswer | 'missing' | 'outside' | 'changed'> {
    const count = range && range.end - range.start + 1;
    const conditions = only === undefined ? {} : { ifMatch: only.etag };
    const options = { ...toOptions(signal), conditions };
    const request = this.#container.getBlobClient(name).download(range?.start, count, options);
    const outcomes = { 404: 'missing', 412: 'changed', 416: 'outside' } as const;
    const answer = await answerOf(request, signal, outcomes);
    if (typeof answer === 'string') return answer;
    const body = answer.readableStreamBody;
    if (!(body instanceof Readable)) throw unexpected('an answer without a Node stream');
    try {
      if (isIncomplete(answer)) {
        body.destroy();
        return 'missing';
      }
      const { contentLength, contentRange } = answer;
      const size = range === undefined ? contentLength : wholeSize(range, contentRange);
      return { ...toHead(answer, size), body };
    } catch (error) {
      body.destroy();
      throw error;
    }
  }

  async write(
    { key, name, metadata, checkCondition, publishing, signal }: BucketWrite,
    body: AsyncIterable<Uint8Array>,
  ): Promise<void> {
    const replaced = await checkCondition?.(signal);
    const match = replaced === undefined ? { ifNoneMatch: '*' } : { ifMatch: replaced.etag };
    const { partSize, concurrentParts } = this.#config;
    const read = new UploadBody(body, { publishing, signal });
    const source = Readable.from(read, { objectMode: false });
    destroyOnAbort(source, signal);
    const blob = this.#container.getBlockBlobClient(name);
    try {
      await blob.uploadStream(source, partSize, concurrentParts, {
        ...toOptions(signal),
        metadata: toNames(metadata),
        conditions: checkCondition === undefined ? {} : match,
        blobHTTPHeaders: { blobContentType: 'application/octet-stream' },
      });
    } catch (error) {
      read.throwIfFailed();
      if (checkCondition !== undefined && isOvertaken(error)) throw preconditionFailure(key, error);
      throw storeFailure(error);
    } finally {
      source.destroy();
    }
  }

  async copy(from: string, to: string, head: ObjectHead, signal: AbortSignal): Promise<void> {
    const source = this.#container.getBlobClient(from).url;
    const copying = this.#container.getBlobClient(to).beginCopyFromURL(source, {
      abortSignal: signal,
      sourceConditions: { ifMatch: head.etag },
      intervalInMs: 1000,
    });
    const poller = await answerOf(copying, signal, { 404: 'gone', 412: 'gone' });
    if (poller === 'gone') return;
    try {
      await answerOf(unlessAborted(poller.pollUntilDone(), signal), signal);
    } finally {
      poller.stopPolling();
    }
  }

  async delete(name: string): Promise<void> {
    const request = this.#container.deleteBlob(name, { deleteSnapshots: 'include' });
    await answerOf(request, undefined, { 404: 'missing' });
  }

  async *contents(under: string, signal?: AbortSignal): AsyncGenerator<ListedObject[]> {
    const options = { prefix: under, includeMetadata: true, ...toOptions(signal) };
    const pages = this.#container.listBlobsFlat(options).byPage({ maxPageSize: MAX_LISTED });
    for (;;) {
      const page = await answerOf(pages.next(), signal);
      if (page.done) return;
      yield page.value.segment.blobItems.map(({ name, properties, metadata }) => {
        const { contentLength: size = 0, etag, lastModified } = properties;
        const found = { name, size, modifiedAt: lastModified.getTime() };
        if (isIncomplete(properties)) return found;
        return { ...found, head: toHead({ etag: quoted(etag), metadata }, size) };
      });
    }
  }

  async sign(name: string, _head: ObjectHead, options: PresignOptions): Promise<string> {
    const signing = this.#signedUrls.sign(this.#container.getBlobClient(name), options);
    return await answerOf(unlessAborted(signing, options.signal), options.signal);
  }
}

function toOptions(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}

interface Described {
  readonly etag?: string | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

function toHead({ etag, metadata = {} }: Described, size: number | undefined): ObjectHead {
  if (size === undefined || etag === undefined) throw unexpected('an answer without size or tag');
  const fields = Object.entries(metadata).map(([name, text]) => [name.replaceAll('_', '-'), text]);
  return { size, etag, metadata: Object.fromEntries(fields) };
}

/** Whether a blob is a copy that is not complete. Copies within an account are complete at once. */
function isIncomplete({ copyStatus = 'success' }: { readonly copyStatus?: string }): boolean {
  return copyStatus !== 'success';
}

/** Azure's names of metadata are identifiers. */
function toNames(metadata: Readonly<Record<string, string>>): Record<string, string> {
  const fields = Object.entries(metadata).map(([name, text]) => [name.replaceAll('-', '_'), text]);
  return Object.fromEntries(fields);
}

/** Lists have tags without quotes. */
function quoted(etag: string): string {
  return etag.startsWith('"') ? etag : `"${etag}"`;
}

/**
 * Whether another write was published meanwhile. The server drops all parts of a blob that are in
 * no list when it publishes that blob.
 */
function isOvertaken(error: unknown): boolean {
  const { status, code = '' } = refusalOf(error) ?? {};
  return status === 412 || ['BlobAlreadyExists', 'InvalidBlockList', 'BlobNotFound'].includes(code);
}

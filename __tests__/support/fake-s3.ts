import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import { listen } from './listen.js';
import type { Cleanup } from './temporary-directory.js';

/** A request, by the name of its operation. */
export interface FakeRequest {
  readonly operation:
    | 'GetObject'
    | 'HeadObject'
    | 'HeadBucket'
    | 'PutObject'
    | 'CopyObject'
    | 'UploadPartCopy'
    | 'DeleteObject'
    | 'CreateMultipartUpload'
    | 'UploadPart'
    | 'CompleteMultipartUpload'
    | 'AbortMultipartUpload'
    | 'ListObjectsV2';
  /** Of the object. */
  readonly name: string;
  readonly part: number | undefined;
  /** How many of this operation, and part, there were before. */
  readonly earlier: number;
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
}

interface FakeObject {
  readonly content: Buffer;
  readonly metadata: Readonly<Record<string, string>>;
  readonly modifiedAt?: Date | undefined;
}

/** Answers a request itself (true), or leaves it to the server, before or after its effect. */
export type Intercept = (request: FakeRequest) => boolean | Promise<boolean>;

/**
 * As much of S3 as a store needs, with one bucket in memory, and with faults: what a real server cannot be
 * made to do. It shows what the store does then, not whether it speaks the protocol.
 */
export class FakeS3 {
  readonly requests: FakeRequest[] = [];
  /** By name. */
  readonly objects = new Map<string, FakeObject>();
  readonly uploads = new Map<string, Map<number, Buffer>>();
  hasBucket = true;
  /** Whether it checks conditions when an upload in parts is completed. Ceph and moto do not. */
  checksUploads = true;
  /** Whether it checks any conditions of writes. */
  checksWrites = true;
  /** Bytes of parts that arrived. */
  receivedBytes = 0;
  before: Intercept = () => false;
  after: Intercept = () => false;
  readonly #metadata = new Map<string, Readonly<Record<string, string>>>();
  #url = '';

  static async start(defer: Cleanup['defer']): Promise<FakeS3> {
    const fake = new FakeS3();
    const server = createServer((req, res) => {
      // A request that its sender gave up has no answer.
      fake.#handle(req, res).catch(() => res.destroy());
    });
    fake.#url = await listen(server, defer);
    return fake;
  }

  get config(): S3ClientConfig {
    const credentials = { accessKeyId: 'id', secretAccessKey: 'secret' };
    return { endpoint: this.#url, region: 'us-east-1', forcePathStyle: true, credentials };
  }

  tagOf(content: Buffer): string {
    return tagOf(content);
  }

  operations(): string[] {
    return this.requests.map(({ operation, part }) =>
      part === undefined ? operation : `${operation} ${part}`,
    );
  }

  async #handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(req.url ?? '', this.#url);
    const [, , ...segments] = pathname.split('/');
    const name = decodeURIComponent(segments.join('/'));
    const number = searchParams.get('partNumber');
    const part = number === null ? undefined : Number(number);
    const operation =
      name === '' && req.method === 'HEAD' ? 'HeadBucket' : operationOf(req, searchParams);
    const earlier = this.requests.filter(
      (one) => one.operation === operation && one.part === part,
    ).length;
    const request = { operation, name, part, earlier, req, res };
    this.requests.push(request);
    if (await this.before(request)) return;
    const body = await buffer(req);
    const answer = this.#answer(request, name, searchParams.get('uploadId') ?? '', body);
    if (await this.after(request)) return;
    answer();
  }

  /** Does what was asked for. @returns what answers it. */
  #answer(request: FakeRequest, name: string, upload: string, body: Buffer): () => void {
    const { req, res, part } = request;
    switch (request.operation) {
      case 'PutObject': {
        const unmet = this.#unmet(req, name);
        if (unmet !== undefined) return () => fail(res, ...unmet);
        return this.#put(res, name, body, metadataOf(req));
      }
      case 'ListObjectsV2': {
        const prefix = new URL(req.url ?? '', this.#url).searchParams.get('prefix') ?? '';
        const names = [...this.objects].map(([key, { content, modifiedAt = new Date() }]) =>
          key.startsWith(prefix)
            ? `<Contents><Key>${key}</Key><Size>${content.length}</Size>` +
              `<LastModified>${modifiedAt.toISOString()}</LastModified></Contents>`
            : '',
        );
        return () => res.end(`<Result>${names.join('')}</Result>`);
      }
      case 'CopyObject': {
        const source = this.#source(req);
        if (source === undefined) return () => fail(res, 412, 'PreconditionFailed');
        this.objects.set(name, { ...source, modifiedAt: new Date() });
        return () => res.end('<Result></Result>');
      }
      case 'UploadPartCopy': {
        const source = this.#source(req);
        if (source === undefined) return () => fail(res, 412, 'PreconditionFailed');
        const [, first, last] =
          /^bytes=(\d+)-(\d+)$/.exec(String(req.headers['x-amz-copy-source-range'])) ?? [];
        const copied = source.content.subarray(Number(first), Number(last) + 1);
        this.uploads.get(upload)?.set(part ?? 0, copied);
        return () => res.end(`<Result><ETag>${tagOf(copied)}</ETag></Result>`);
      }
      case 'DeleteObject':
        this.objects.delete(name);
        return () => res.writeHead(204).end();
      case 'CreateMultipartUpload': {
        const id = `upload-${this.#metadata.size}`;
        this.uploads.set(id, new Map());
        this.#metadata.set(id, metadataOf(req));
        return () => res.end(`<Result><UploadId>${id}</UploadId></Result>`);
      }
      case 'UploadPart':
        this.receivedBytes += body.length;
        this.uploads.get(upload)?.set(part ?? 0, body);
        return () => res.writeHead(200, { ETag: tagOf(body) }).end();
      case 'AbortMultipartUpload':
        this.uploads.delete(upload);
        return () => res.writeHead(204).end();
      case 'CompleteMultipartUpload': {
        const parts = this.uploads.get(upload);
        if (parts === undefined) return () => fail(res, 404, 'NoSuchUpload');
        const unmet = this.checksUploads ? this.#unmet(req, name) : undefined;
        if (unmet !== undefined) return () => fail(res, ...unmet);
        this.uploads.delete(upload);
        const content = Buffer.concat(
          [...parts].sort(([a], [b]) => a - b).map(([, bytes]) => bytes),
        );
        this.objects.set(name, { content, metadata: this.#metadata.get(upload) ?? {} });
        return () => res.end(`<Result><ETag>${tagOf(content)}</ETag></Result>`);
      }
      case 'HeadBucket':
        return () => res.writeHead(this.hasBucket ? 200 : 404).end();
      default:
        return this.#read(req, res, name);
    }
  }

  /** What is answered when a condition of a write does not hold. S3 takes tags with or without quotes. */
  #unmet({ headers }: IncomingMessage, name: string): [number, string] | undefined {
    if (!this.checksWrites) return undefined;
    const object = this.objects.get(name);
    const match = headers['if-match'];
    if (match !== undefined && object === undefined) return [404, 'NoSuchKey'];
    const isOther =
      match !== undefined && object && tagOf(object.content) !== `"${match.replaceAll('"', '')}"`;
    const isThere = headers['if-none-match'] === '*' && object !== undefined;
    return isOther || isThere ? [412, 'PreconditionFailed'] : undefined;
  }

  /** What is to be copied, if it is still what the request says. */
  #source({ headers }: IncomingMessage): FakeObject | undefined {
    const [, ...segments] = decodeURIComponent(String(headers['x-amz-copy-source'])).split('/');
    const object = this.objects.get(segments.join('/'));
    const match = headers['x-amz-copy-source-if-match'];
    const isIt = object && (match === undefined || tagOf(object.content) === `"${match}"`);
    return isIt ? object : undefined;
  }

  #put(
    res: ServerResponse,
    name: string,
    content: Buffer,
    metadata: Readonly<Record<string, string>>,
  ): () => void {
    this.objects.set(name, { content, metadata });
    return () => res.writeHead(200, { ETag: tagOf(content) }).end();
  }

  #read({ method, headers }: IncomingMessage, res: ServerResponse, name: string): () => void {
    const object = this.objects.get(name);
    if (object === undefined) return () => fail(res, 404, 'NoSuchKey');
    const { content, metadata, modifiedAt = new Date() } = object;
    const match = headers['if-match'];
    if (match !== undefined && match !== tagOf(content))
      return () => fail(res, 412, 'PreconditionFailed');
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [];
    const start = Number(first ?? 0);
    if (first !== undefined && start >= content.length) return () => fail(res, 416, 'InvalidRange');
    const wanted = content.subarray(start, last === undefined ? undefined : Number(last) + 1);
    const range = `bytes ${start}-${start + wanted.length - 1}/${content.length}`;
    return () => {
      res.writeHead(first === undefined ? 200 : 206, {
        'Content-Length': wanted.length,
        ETag: tagOf(content),
        'Last-Modified': modifiedAt.toUTCString(),
        ...(first !== undefined && { 'Content-Range': range }),
        ...metadata,
      });
      res.end(method === 'HEAD' ? undefined : wanted);
    };
  }
}

/** An answer that is a failure, as S3 words it. */
export function fail(res: ServerResponse, status: number, code: string): void {
  res.writeHead(status).end(`<Error><Code>${code}</Code><Message>${code}</Message></Error>`);
}

function operationOf(
  { method, headers }: IncomingMessage,
  parameters: URLSearchParams,
): FakeRequest['operation'] {
  if (parameters.has('uploads')) return 'CreateMultipartUpload';
  if (parameters.has('list-type')) return 'ListObjectsV2';
  const isUpload = parameters.has('uploadId');
  if (headers['x-amz-copy-source'] !== undefined) {
    return isUpload ? 'UploadPartCopy' : 'CopyObject';
  }
  switch (method) {
    case 'GET':
      return 'GetObject';
    case 'HEAD':
      return 'HeadObject';
    case 'PUT':
      return isUpload ? 'UploadPart' : 'PutObject';
    case 'DELETE':
      return isUpload ? 'AbortMultipartUpload' : 'DeleteObject';
    case 'POST':
      return 'CompleteMultipartUpload';
    default:
      throw new Error(`no operation has the method ${method}`);
  }
}

function metadataOf({ headers }: IncomingMessage): Readonly<Record<string, string>> {
  const metadata: Record<string, string> = {};
  for (const [field, value] of Object.entries(headers)) {
    if (field.startsWith('x-amz-meta-')) metadata[field] = String(value);
  }
  return metadata;
}

const tags = new WeakMap<Buffer, string>();

function tagOf(content: Buffer): string {
  const tag = tags.get(content) ?? `"${createHash('md5').update(content).digest('hex')}"`;
  tags.set(content, tag);
  return tag;
}

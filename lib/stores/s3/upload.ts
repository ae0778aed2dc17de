import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CreateMultipartUploadCommand,
  type PutObjectCommandInput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { isPublishCommand, type Publish } from './conditional-writes.js';
import { storeFailure } from './failure.js';
import type { S3StoreConfig } from './options.js';

export interface UploadOptions
  extends Pick<S3StoreConfig, 'client' | 'partSize' | 'concurrentParts'> {
  /** Sends the request that publishes the object. `undefined`: the client does. */
  readonly publish: Publish | undefined;
}

/**
 * Sends the bytes that are appended to it, in parts if they are more than one part. Holds at most
 * `concurrentParts` parts in flight, the part that is being filled, and a copy of that.
 *
 * Nobody can read the object before `finish` resolves. If the upload fails, the parts that were
 * sent are removed before `finish` rejects.
 */
export class ObjectUpload {
  readonly #chunks = new Chunks();
  readonly #sending = new AbortController();
  readonly #uploaded: Promise<unknown>;
  /** The first failure: it causes the others. */
  #failure: unknown;
  #cleanUpFailure: unknown;

  constructor(params: PutObjectCommandInput, options: UploadOptions) {
    const upload = new Upload({
      client: this.#watch(options),
      params: { ...params, Body: this.#chunks },
      partSize: options.partSize,
      queueSize: options.concurrentParts,
    });
    this.#uploaded = upload.done();
    // `append`, `finish` and `discard` report it.
    this.#uploaded.catch((error: Error) => this.#chunks.destroy(error));
  }

  /** Resolves when there is room for more. */
  async append(chunk: Uint8Array): Promise<void> {
    await this.#chunks.append(Buffer.from(chunk));
    if (this.#chunks.destroyed) await this.finish();
  }

  async finish(): Promise<void> {
    this.#chunks.end();
    try {
      await this.#uploaded;
    } catch (error) {
      throw storeFailure(this.#failure ?? error);
    }
  }

  /** Removes the bytes that were sent. Does nothing after `finish`. */
  async discard(): Promise<void> {
    this.#stop(new Error('the upload was aborted'));
    await this.#uploaded.catch(() => undefined);
    if (this.#cleanUpFailure !== undefined) throw storeFailure(this.#cleanUpFailure);
  }

  /**
   * Makes a client that watches the requests of an `Upload`. After a part has failed, an `Upload`
   * goes on with the others, and can't end requests that have begun. It removes its parts when its
   * stream fails. So a failed request ends all requests and the stream.
   */
  #watch({ client, publish }: UploadOptions): S3Client {
    const send = async (...[command]: Parameters<S3Client['send']>): Promise<unknown> => {
      const isCleanUp = command instanceof AbortMultipartUploadCommand;
      // An upload is created without the signal: only the answer names the upload to abort.
      const mayStop = !isCleanUp && !(command instanceof CreateMultipartUploadCommand);
      const abortSignal = this.#sending.signal;
      try {
        if (publish !== undefined && isPublishCommand(command)) {
          return await publish(command, { abortSignal });
        }
        return await client.send(command, mayStop ? { abortSignal } : {});
      } catch (error) {
        if (isCleanUp) this.#cleanUpFailure = error;
        else this.#stop(error);
        throw error;
      }
    };
    return new Proxy(client, {
      get: (target, property) => (property === 'send' ? send : Reflect.get(target, property)),
    });
  }

  #stop(error: unknown): void {
    this.#failure ??= error;
    this.#sending.abort();
    this.#chunks.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}

/** A stream of the appended bytes. */
class Chunks extends Readable {
  #goOn: (() => void) | undefined;

  constructor() {
    super({ highWaterMark: 1024 * 1024 });
    // A failure without a listener would end the process. `ObjectUpload` checks `destroyed`.
    this.on('error', () => {});
  }

  /** Resolves when there is room for more, or the stream was destroyed. */
  async append(chunk: Buffer): Promise<void> {
    if (this.destroyed || this.push(chunk)) return;
    await new Promise<void>((resolve) => {
      this.#goOn = resolve;
    });
  }

  end(): void {
    if (!this.destroyed) this.push(null);
  }

  override _read(): void {
    this.#goOn?.();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#goOn?.();
    callback(error);
  }
}

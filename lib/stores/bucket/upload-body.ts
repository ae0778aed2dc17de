import { chunksOf } from '../body.js';
import type { BucketWrite } from './bucket.js';

/** The bytes of a write, for an SDK that sends them and publishes the object at their end. */
export class UploadBody implements AsyncIterable<Buffer> {
  readonly #body: AsyncIterable<Uint8Array>;
  readonly #write: Pick<BucketWrite, 'publishing' | 'signal'>;
  #failure: { readonly error: unknown } | undefined;

  constructor(body: AsyncIterable<Uint8Array>, write: Pick<BucketWrite, 'publishing' | 'signal'>) {
    this.#body = body;
    this.#write = write;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    try {
      for await (const chunk of chunksOf(this.#body, this.#write.signal)) {
        if (chunk.length > 0) yield Buffer.from(chunk); // the SDK reads on before it is sent
      }
      await this.#write.publishing();
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }

  /**
   * After the SDK has failed: throws the cause, unless that is the server.
   *
   * @throws the reason of the signal; the error of the body.
   */
  throwIfFailed(): void {
    this.#write.signal?.throwIfAborted();
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}

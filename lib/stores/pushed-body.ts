import { withResolvers } from '../async/with-resolvers.js';

/** A body whose bytes are pushed into it. */
export class PushedBody implements AsyncIterable<Uint8Array> {
  /** Resolves with the next chunk; `undefined` at the end. */
  #next = withResolvers<Uint8Array | undefined>();
  /** Resolves when the reader asks for the chunk after the pushed one. */
  #taken = withResolvers<void>();
  #failure: { readonly error: unknown } | undefined;

  constructor() {
    this.#next.promise.catch(() => {});
  }

  /** Resolves when the chunk is no longer used. */
  async push(chunk: Uint8Array): Promise<void> {
    this.#next.resolve(chunk);
    await this.#taken.promise;
  }

  end(): void {
    this.#next.resolve(undefined);
  }

  fail(error: unknown): void {
    this.#failure = { error };
    this.#next.reject(error);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = await this.#next.promise;
      if (chunk === undefined) return;
      yield chunk;
      if (this.#failure !== undefined) throw this.#failure.error;
      const taken = this.#taken;
      this.#next = withResolvers();
      this.#next.promise.catch(() => {});
      this.#taken = withResolvers();
      taken.resolve();
    }
  }
}

import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { encodeWaitFrame } from '../archive/wait-frame.js';

/** Begins an answer whose snapshot is not ready, so that no proxy takes the connection for dead. */
export class KeepAlive {
  readonly #res: ServerResponse;
  readonly #interval: number | undefined;
  readonly #headers: OutgoingHttpHeaders;
  #hasBegun = false;

  /**
   * @param interval milliseconds before the first wait frame, and between two. `undefined`: never.
   * @param headers of the answer, which begins with the first wait frame.
   */
  constructor(res: ServerResponse, interval: number | undefined, headers: OutgoingHttpHeaders) {
    this.#res = res;
    this.#interval = interval;
    this.#headers = headers;
  }

  /** Whether the answer has begun: only the snapshot can follow. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** Settles like `work`. Sends wait frames meanwhile, unless the client takes nothing. */
  async during<T>(work: Promise<T>): Promise<T> {
    const interval = this.#interval;
    if (interval === undefined) return await work;
    const beat = () => {
      if (this.#beat()) timer = setTimeout(beat, interval);
    };
    let timer = setTimeout(beat, interval);
    try {
      return await work;
    } finally {
      clearTimeout(timer);
    }
  }

  /** @returns whether more frames may follow. */
  #beat(): boolean {
    const res = this.#res;
    try {
      if (!this.#hasBegun) res.writeHead(200, this.#headers);
      this.#hasBegun = true;
      if (!res.destroyed && !res.writableNeedDrain) res.write(encodeWaitFrame());
      return true;
    } catch {
      // Other code has begun an answer, or its middleware fails: so will the rest of this answer.
      return false;
    }
  }
}

import type { ServerResponse } from 'node:http';
import { withResolvers } from '../async/with-resolvers.js';
import { SnapshotError } from '../errors.js';

export interface DrainOptions {
  /** Milliseconds that one wait may take. */
  idleTimeout: number;
  /** Ends a wait with its reason. */
  signal: AbortSignal;
}

/**
 * Waits until a response has room for more bytes, as often as needed. All waits use the same timer
 * and listeners: a large body waits thousands of times.
 */
export class Drain {
  readonly #res: ServerResponse;
  readonly #options: DrainOptions;
  readonly #timer: NodeJS.Timeout;
  #wait: ReturnType<typeof withResolvers<void>> | undefined;
  #afterInput: NodeJS.Immediate | undefined;

  constructor(res: ServerResponse, options: DrainOptions) {
    this.#res = res;
    this.#options = options;
    this.#timer = setTimeout(this.#onTimer, options.idleTimeout).unref();
    res.on('drain', this.#onDrain);
    options.signal.addEventListener('abort', this.#onAbort);
  }

  /**
   * Call it when `write` has returned false. One wait at a time.
   *
   * @throws SnapshotError `ABORTED` when the client has taken nothing for `idleTimeout`.
   * @throws the signal's reason.
   */
  next(): Promise<void> {
    this.#options.signal.throwIfAborted();
    this.#wait = withResolvers();
    this.#timer.refresh();
    return this.#wait.promise;
  }

  close(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#afterInput);
    this.#res.off('drain', this.#onDrain);
    this.#options.signal.removeEventListener('abort', this.#onAbort);
  }

  readonly #onDrain = () => {
    clearImmediate(this.#afterInput);
    this.#wait?.resolve();
    this.#wait = undefined;
  };

  readonly #onAbort = () => {
    this.#wait?.reject(this.#options.signal.reason);
  };

  /** If this process stood still, the client may have taken bytes: Node runs timers before sockets. */
  readonly #onTimer = () => {
    if (this.#wait !== undefined) this.#afterInput = setImmediate(this.#onLate);
  };

  readonly #onLate = () => {
    const message = `the client took nothing for ${this.#options.idleTimeout} ms`;
    this.#wait?.reject(new SnapshotError('ABORTED', message));
  };
}

import type { ServerResponse } from 'node:http';
import { Deadline } from '../async/deadline.js';
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
  /** Does nothing if it ends while nobody waits. */
  readonly #deadline: Deadline;
  #wait: ReturnType<typeof withResolvers<void>> | undefined;

  constructor(res: ServerResponse, options: DrainOptions) {
    this.#res = res;
    this.#options = options;
    this.#deadline = new Deadline(options.idleTimeout, this.#onLate);
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
    this.#deadline.restart();
    return this.#wait.promise;
  }

  close(): void {
    this.#deadline.cancel();
    this.#res.off('drain', this.#onDrain);
    this.#options.signal.removeEventListener('abort', this.#onAbort);
  }

  readonly #onDrain = () => {
    this.#wait?.resolve();
    this.#wait = undefined;
  };

  readonly #onAbort = () => {
    this.#wait?.reject(this.#options.signal.reason);
  };

  readonly #onLate = () => {
    const message = `the client took nothing for ${this.#options.idleTimeout} ms`;
    this.#wait?.reject(new SnapshotError('ABORTED', message));
  };
}

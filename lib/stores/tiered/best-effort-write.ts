import { SnapshotError } from '../../errors.js';
import { PushedBody } from '../pushed-body.js';
import type { StoredObject } from '../store.js';
import { unlessStalled } from './idle-timeout.js';

/** Makes the write. @param signal aborts when the write is given up. */
export type Put = (body: AsyncIterable<Uint8Array>, signal: AbortSignal) => Promise<StoredObject>;

/**
 * A write to one tier. Its failure does not fail the caller: after a failure, all methods do
 * nothing. They throw only errors that `onFailure` throws.
 */
export class BestEffortWrite {
  readonly #timeout: number;
  readonly #onFailure: (error: unknown) => void;
  readonly #body = new PushedBody();
  readonly #ending = new AbortController();
  readonly #stored: Promise<StoredObject>;
  #hasEnded = false;

  /**
   * @param timeout milliseconds for each step.
   * @param onFailure gets the first failure. Later ones are not reported.
   */
  constructor(put: Put, timeout: number, onFailure: (error: unknown) => void) {
    this.#timeout = timeout;
    this.#onFailure = onFailure;
    this.#stored = put(this.#body, this.#ending.signal);
    this.#stored.catch(() => {}); // the next step reports it
  }

  /** Whether the write has failed, or was ended. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  async write(chunk: Uint8Array): Promise<void> {
    await this.#attempt(() => Promise.race([this.#body.push(chunk), this.#stored]));
  }

  /** Returns `undefined` if the write has failed. */
  async finish(): Promise<StoredObject | undefined> {
    this.#body.end();
    const stored = await this.#attempt(() => this.#stored);
    this.#hasEnded = true;
    return stored;
  }

  /** Gives the write up, and waits until the store has removed what it got. */
  async abort(): Promise<void> {
    if (this.#hasEnded) return;
    this.#giveUp();
    const settled = this.#stored.then(
      () => {},
      () => {},
    );
    await unlessStalled(this.#timeout, settled).catch(this.#onFailure);
  }

  async #attempt<T>(step: () => Promise<T>): Promise<T | undefined> {
    if (this.#hasEnded) return undefined;
    try {
      return await unlessStalled(this.#timeout, step());
    } catch (error) {
      if (this.#hasEnded) return undefined;
      this.#giveUp();
      this.#onFailure(error);
      return undefined;
    }
  }

  #giveUp(): void {
    this.#hasEnded = true;
    const reason = new SnapshotError('ABORTED', 'the write was given up');
    this.#ending.abort(reason);
    this.#body.fail(reason);
  }
}

import { setImmediate } from 'node:timers/promises';
import { SnapshotError } from '../errors.js';
import { WorkerPool } from '../workers/pool.js';
import {
  type ArchivedCheckout,
  type CheckoutEvent,
  type CheckoutTask,
  type CheckoutThreadTask,
  WAITING_BYTES,
} from './checkout.js';
import { SharedRoom } from './shared-room.js';

export type CheckoutPool = WorkerPool<CheckoutThreadTask, CheckoutEvent, void>;

/** A pool of one worker thread, which is kept for the next checkout and ends with its parent thread. */
export function createCheckoutPool(): CheckoutPool {
  return new WorkerPool(new URL('./checkout-worker.js', import.meta.url), 1);
}

/** A checkout in another thread, while this one writes the packs. */
export class CheckoutThread implements ArchivedCheckout {
  readonly #room = new SharedRoom(WAITING_BYTES);
  readonly #closing = new AbortController();
  readonly #run: Promise<void>;
  readonly #frames: Uint8Array[] = [];
  #isPlanned = false;
  #isOver = false;
  #failure: unknown;
  #onNews = () => {};

  constructor(task: CheckoutTask, pool: CheckoutPool) {
    const { cell } = this.#room;
    const options = {
      signal: this.#closing.signal,
      onEvent: (event: CheckoutEvent) => this.#take(event),
    };
    this.#run = pool.run({ ...task, cell }, options).then(
      () => this.#end(undefined),
      (error: unknown) => this.#end(error),
    );
  }

  async isPlanned(): Promise<boolean> {
    await setImmediate(); // messages of the thread arrive by the event loop
    if (this.#failure !== undefined) throw this.#failure;
    return this.#isPlanned;
  }

  async write(onFrame: (frame: Uint8Array) => void, signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.#onNews(), { signal: this.#closing.signal });
    for (;;) {
      signal.throwIfAborted();
      for (let frame = this.#frames.shift(); frame !== undefined; frame = this.#frames.shift()) {
        onFrame(frame);
        this.#room.give(frame.length);
      }
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#isOver) return;
      await new Promise<void>((resolve) => {
        this.#onNews = resolve;
      });
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new SnapshotError('ABORTED', 'the checkout is no longer needed'));
    this.#room.abandon();
    await this.#run;
  }

  #take(event: CheckoutEvent): void {
    if (event.kind === 'planned') this.#isPlanned = true;
    else this.#frames.push(event.frame);
    this.#onNews();
  }

  #end(failure: unknown): void {
    this.#isOver = true;
    this.#failure = failure;
    this.#onNews();
  }
}

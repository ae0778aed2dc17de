import { Worker } from 'node:worker_threads';
import { deserializeError, type SerializedError, SnapshotError } from '../errors.js';
import { createEntryQueue, type EntryQueueMemory, EntryQueueWriter } from './entry-queue.js';
import type { LeftoverTask } from './leftovers.js';
import type { ObjectColumns } from './object-table.js';
import type { ResolveLimits } from './resolver.js';

/** What the thread starts with. */
export interface ResolverThreadData {
  /** Of the arriving pack. */
  readonly fd: number;
  readonly queue: EntryQueueMemory;
  readonly limits: ResolveLimits;
}

/** Each is answered by `done` or `error`. */
export type ResolverOrder =
  /** Resolve what comes through the queue until it is paused. */
  | { readonly kind: 'entries'; readonly columns: ObjectColumns }
  | { readonly kind: 'leftovers'; readonly task: LeftoverTask };

export type ResolverAnswer =
  | { readonly kind: 'done' }
  | { readonly kind: 'error'; readonly error: SerializedError }
  /** The queue has the room that was asked for. */
  | { readonly kind: 'room' };

/** A thread that resolves objects for the scanning one, which owns it. */
export class ResolverThread {
  readonly queue: EntryQueueWriter;
  readonly #worker: Worker;
  /** Whoever waits for the thread; told of every message, and of its end. */
  #waiting: { resolve(): void; reject(error: unknown): void } | undefined;
  #busy = false;
  #failure: unknown;

  constructor(fd: number, limits: ResolveLimits) {
    const queue = createEntryQueue();
    this.queue = new EntryQueueWriter(queue);
    const workerData: ResolverThreadData = { fd, queue, limits };
    this.#worker = new Worker(new URL('./resolver-worker.js', import.meta.url), { workerData });
    this.#worker.on('message', (answer: ResolverAnswer) => {
      if (answer.kind === 'error') return this.#fail(deserializeError(answer.error));
      if (answer.kind === 'done') this.#busy = false;
      this.#wake();
    });
    this.#worker.on('error', (cause) => {
      this.#fail(new SnapshotError('INTERNAL', `an indexing thread failed: ${cause}`, { cause }));
    });
    this.#worker.on('exit', () => {
      this.#fail(new SnapshotError('INTERNAL', 'an indexing thread ended'));
    });
  }

  /** @throws SnapshotError what the thread failed with, if it did. */
  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Lets the thread resolve what is put into the queue, until `settle`. */
  resolveEntries(columns: ObjectColumns): void {
    this.queue.resume();
    this.#order({ kind: 'entries', columns });
  }

  /** Resolves when everything is resolved that was put into the queue. */
  async settle(): Promise<void> {
    this.queue.pause();
    while (this.#busy) await this.#answer();
    this.throwIfFailed();
  }

  /** Resolves when the queue has room for an entry with so much content. */
  async room(contentBytes: number): Promise<void> {
    while (this.queue.askForRoom(contentBytes)) await this.#answer();
    this.throwIfFailed();
  }

  /** Takes part in a task that others may take part in, too. */
  async resolveLeftovers(task: LeftoverTask): Promise<void> {
    this.#order({ kind: 'leftovers', task });
    while (this.#busy) await this.#answer();
    this.throwIfFailed();
  }

  /** Ends the thread. Idempotent. */
  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #order(order: ResolverOrder): void {
    this.#busy = true;
    this.#worker.postMessage(order);
  }

  async #answer(): Promise<void> {
    this.throwIfFailed();
    await new Promise<void>((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  #wake(): void {
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#waiting?.reject(this.#failure);
    this.#waiting = undefined;
  }
}

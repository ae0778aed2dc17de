import type { Worker } from 'node:worker_threads';
import { orLater } from '../async/deadline.js';
import { deserializeError, type SerializedError, SnapshotError } from '../errors.js';
import { startThread } from '../workers/start-thread.js';
import { STOP_MILLISECONDS } from '../workers/stop.js';
import { createEntryQueue, type EntryQueueMemory, EntryQueueWriter } from './entry-queue.js';
import type { ObjectColumns } from './object-table.js';
import type { ResolveLimits } from './resolver.js';
import type { LeftoverTask } from './second-pass.js';

/** What the thread starts with. */
export interface ResolverThreadData {
  readonly queue: EntryQueueMemory;
}

/** Each is answered by `done` or `error`. */
export type ResolverOrder =
  /** Resolve what comes through the queue until it is paused. `fd`: the pack. */
  | {
      readonly kind: 'begin';
      readonly fd: number;
      readonly columns: ObjectColumns;
      readonly limits: ResolveLimits;
    }
  | { readonly kind: 'leftovers'; readonly task: LeftoverTask };

export type ResolverAnswer =
  /** The thread has started. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'done' }
  | { readonly kind: 'error'; readonly error: SerializedError }
  /** The queue has the room that was asked for. */
  | { readonly kind: 'room' };

/** A thread that resolves objects for the scanning one, of one pack after the other. */
export class ResolverThread {
  readonly queue: EntryQueueWriter;
  readonly #worker: Worker;
  /** Who waits for the thread, one at a time; told of every answer, and of its end. */
  #waiting: { resolve(): void; reject(error: unknown): void } | undefined;
  #ready = false;
  #busy = false;
  #failure: unknown;

  constructor() {
    const queue = createEntryQueue();
    this.queue = new EntryQueueWriter(queue);
    const workerData: ResolverThreadData = { queue };
    this.#worker = startThread(new URL('./resolver-worker.js', import.meta.url), workerData);
    this.#worker.on('message', (answer: ResolverAnswer) => {
      if (answer.kind === 'error') {
        this.#busy = false;
        return this.#fail(deserializeError(answer.error));
      }
      if (answer.kind === 'ready') this.#ready = true;
      if (answer.kind === 'done') this.#busy = false;
      this.#waiting?.resolve();
    });
    this.#worker.on('error', (cause) => {
      this.#fail(new SnapshotError('INTERNAL', `an indexing thread failed: ${cause}`, { cause }));
    });
    this.#worker.on('exit', () => {
      this.#fail(new SnapshotError('INTERNAL', 'an indexing thread ended'));
    });
  }

  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** @throws SnapshotError what the thread failed with, if it did. */
  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Lets the thread resolve what is put into the queue, until `settle`. */
  begin(fd: number, columns: ObjectColumns, limits: ResolveLimits): void {
    this.queue.resume();
    this.#order({ kind: 'begin', fd, columns, limits });
  }

  /** Resolves when everything is resolved that was put into the queue. */
  async settle(): Promise<void> {
    this.queue.pause();
    await this.#done();
  }

  /** Resolves when the queue has room for an entry with so much content. */
  async room(contentBytes: number): Promise<void> {
    while (this.queue.askForRoom(contentBytes)) await this.#answer();
    this.throwIfFailed();
  }

  /** Takes part in a task, as others may. */
  async resolveLeftovers(task: LeftoverTask): Promise<void> {
    this.#order({ kind: 'leftovers', task });
    await this.#done();
  }

  /** Whether it keeps the process alive. */
  keepAlive(alive: boolean): void {
    if (alive) this.#worker.ref();
    else this.#worker.unref();
  }

  /**
   * Ends the thread, when it has started (Node leaks the files of one that is ended before) and stopped.
   * Idempotent.
   */
  async close(): Promise<void> {
    this.queue.abandon();
    // It does not matter what it failed with.
    await orLater(this.#stopped(), STOP_MILLISECONDS).catch(() => {});
    await this.#worker.terminate();
  }

  async #stopped(): Promise<void> {
    while (!this.#ready || this.#busy) await this.#answer();
  }

  #order(order: ResolverOrder): void {
    this.#busy = true;
    this.#worker.postMessage(order);
  }

  async #done(): Promise<void> {
    while (this.#busy) await this.#answer();
    this.throwIfFailed();
  }

  #answer(): Promise<void> {
    this.throwIfFailed();
    return new Promise<void>((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#waiting?.reject(this.#failure);
  }
}

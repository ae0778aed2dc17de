import type { Worker } from 'node:worker_threads';
import { orLater } from '../async/deadline.js';
import { deserializeError, SnapshotError } from '../errors.js';
import { startThread, threadScript } from '../workers/start-thread.js';
import { STOP_MILLISECONDS } from '../workers/stop.js';
import { createEntryQueue, EntryQueueWriter } from './entry-queue.js';
import type { IngestLimits } from './limits.js';
import type { ObjectMemory } from './object-memory.js';
import type { ObjectColumns } from './object-table.js';
import { memoryWithRing } from './recent-objects.js';
import type { ResolverAnswer, ResolverOrder } from './resolver-worker.js';
import type { SecondPass } from './second-pass.js';

/** Starting a thread takes as long as resolving about this many objects. */
const OBJECTS_WORTH_A_START = 20_000;
/** An idle thread pays off for fewer objects. */
const OBJECTS_WORTH_A_THREAD = 2000;

/**
 * Keeps the threads that resolve objects, and this thread's own memory for it, from one pack to the
 * next. Not a `WorkerPool`: these threads get objects through shared memory instead of tasks.
 */
export class ResolverPool {
  readonly #idle = new Set<ResolverThread>();
  #memory: ObjectMemory | undefined;

  /** As many threads as pay off for these objects, at most `most`. Give them back afterwards. */
  take(objects: number, most: number): ResolverThread[] {
    const taken: ResolverThread[] = [];
    for (const thread of this.#idle) {
      if (taken.length === Math.min(most, Math.floor(objects / OBJECTS_WORTH_A_THREAD))) break;
      this.#idle.delete(thread);
      if (!thread.hasFailed) taken.push(thread);
    }
    while (taken.length < Math.min(most, Math.floor(objects / OBJECTS_WORTH_A_START))) {
      taken.push(new ResolverThread());
    }
    for (const { worker } of taken) worker.ref();
    return taken;
  }

  /** Takes back a thread that has no more work. */
  giveBack(thread: ResolverThread): void {
    thread.worker.unref();
    this.#idle.add(thread);
  }

  /** Lends memory with a ring for `deltaCacheBytes`. */
  async withMemory<T>(
    deltaCacheBytes: number,
    work: (memory: ObjectMemory) => Promise<T>,
  ): Promise<T> {
    const memory = memoryWithRing(deltaCacheBytes, this.#memory);
    this.#memory = undefined;
    try {
      return await work(memory);
    } finally {
      this.#memory = memory;
    }
  }

  /** Ends all idle threads. Idempotent. */
  async close(): Promise<void> {
    await Promise.all([...this.#idle].map((thread) => thread.close()));
    this.#idle.clear();
  }
}

/** A thread that resolves objects for the scanning thread, one pack after the other. */
export class ResolverThread {
  readonly queue: EntryQueueWriter;
  readonly worker: Worker;
  /** The one caller that waits for the thread: woken by every answer, and by the thread's end. */
  #waiting: { resolve(): void; reject(error: unknown): void } | undefined;
  #ready = false;
  #busy = false;
  #failure: unknown;

  constructor() {
    const queue = createEntryQueue();
    this.queue = new EntryQueueWriter(queue);
    this.worker = startThread(threadScript('resolver'), queue);
    this.worker.on('message', (answer: ResolverAnswer) => {
      if (answer.kind === 'ready') this.#ready = true;
      else if (answer.kind !== 'room') this.#busy = false;
      if (answer.kind === 'error') this.#fail(deserializeError(answer.error));
      else this.#waiting?.resolve();
    });
    this.worker.on('error', (cause) => {
      this.#fail(new SnapshotError('INTERNAL', `an indexing thread failed: ${cause}`, { cause }));
    });
    this.worker.on('exit', () => {
      this.#fail(new SnapshotError('INTERNAL', 'an indexing thread ended'));
    });
  }

  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Makes the thread resolve the entries that are put into the queue, until `settle`. */
  begin(fd: number, columns: ObjectColumns, limits: IngestLimits): void {
    this.queue.resume();
    this.#order({ kind: 'begin', fd, columns, limits });
  }

  /** Waits until the thread has resolved all entries of the queue. */
  async settle(): Promise<void> {
    this.queue.pause();
    await this.#done();
  }

  /** Waits until the queue has room for an entry with this much content. */
  async room(contentBytes: number): Promise<void> {
    while (this.queue.askForRoom(contentBytes)) await this.#answer();
    this.throwIfFailed();
  }

  /** Takes part in a second pass, beside other threads. */
  async runSecondPass(pass: SecondPass): Promise<void> {
    this.#order({ kind: 'second-pass', pass });
    await this.#done();
  }

  /** Ends the thread once it has stopped: earlier, Node would leak its files. Idempotent. */
  async close(): Promise<void> {
    this.queue.abandon();
    // A failure ends the wait as well; which one does not matter.
    await orLater(this.#stopped(), STOP_MILLISECONDS).catch(() => {});
    await this.worker.terminate();
  }

  async #stopped(): Promise<void> {
    while (!this.#ready || this.#busy) await this.#answer();
  }

  #order(order: ResolverOrder): void {
    this.#busy = true;
    this.worker.postMessage(order);
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

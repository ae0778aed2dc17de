import type { Worker } from 'node:worker_threads';
import { deserializeError, messageOf, SnapshotError } from '../errors.js';
import type { PoolMessage, WorkerAnswer, WorkerMessage } from './serve.js';
import { startThread } from './start-thread.js';
import { askToStop, createStopCell, STOP_MILLISECONDS } from './stop.js';
import type { ThreadCounts } from './thread-counts.js';

export interface RunOptions<Event> {
  /** Stops the task, ends its thread, and rejects with the signal's reason. */
  signal: AbortSignal;
  onEvent?: (event: Event) => void;
}

interface PoolThread {
  readonly worker: Worker;
  readonly stop: Int32Array;
  /** Resolves when the thread has started, or ended. */
  readonly started: Promise<void>;
}

/**
 * Threads of one script, each with one task at a time. A thread whose task succeeded, or failed
 * harmlessly, is kept for the next task. Ending any other one closes its files and sockets.
 *
 * The caller limits how many tasks run at once. Idle threads don't keep the process alive.
 */
export class WorkerPool<Task, Event, Result> {
  readonly #script: URL;
  readonly #maxIdle: number;
  readonly #keeps: (result: Result) => boolean;
  readonly #idle = new Set<PoolThread>();
  readonly #running = new Set<Promise<Result>>();
  readonly #closing = new AbortController();
  #failedStarts = 0;

  /**
   * @param maxIdle the most idle threads that are kept.
   * @param keeps whether to keep a thread after a task with this result: it may hold much memory.
   */
  constructor(script: URL, maxIdle: number, keeps: (result: Result) => boolean = () => true) {
    this.#script = script;
    this.#maxIdle = maxIdle;
    this.#keeps = keeps;
  }

  /** @throws the task's failure; SnapshotError `INTERNAL` or `CLOSED`; the signal's reason. */
  async run(task: Task, { signal, onEvent = () => {} }: RunOptions<Event>): Promise<Result> {
    const ends = AbortSignal.any([signal, this.#closing.signal]);
    ends.throwIfAborted();
    const running = this.#run(task, ends, onEvent);
    this.#running.add(running);
    return await running.finally(() => this.#running.delete(running));
  }

  get threads(): ThreadCounts {
    return { busy: this.#running.size, idle: this.#idle.size };
  }

  /** Threads that ended before they had started, since the last one that started. */
  get failedStarts(): number {
    return this.#failedStarts;
  }

  /** Starts a thread, unless one is idle, so that the next task does not wait for the start. */
  prepare(): void {
    if (this.#closing.signal.aborted || this.#idle.size > 0) return;
    const thread = this.#start();
    thread.worker.unref();
    this.#idle.add(thread);
  }

  /** Ends all threads; tasks that still run reject. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort(new SnapshotError('CLOSED', 'the worker pool is closed'));
    await Promise.all([...this.#idle].map(end));
    await Promise.allSettled(this.#running);
  }

  async #run(task: Task, signal: AbortSignal, onEvent: (event: Event) => void): Promise<Result> {
    const [idle] = this.#idle;
    const thread = idle ?? this.#start();
    this.#idle.delete(thread);
    thread.worker.ref();
    let isReusable = false;
    try {
      const answer = await perform<Task, Event, Result>(thread, task, signal, onEvent);
      const isKept = answer.kind === 'error' ? answer.isHarmless : this.#keeps(answer.result);
      isReusable = isKept && !signal.aborted && this.#idle.size < this.#maxIdle;
      if (answer.kind === 'error') throw deserializeError(answer.error);
      return answer.result;
    } finally {
      if (isReusable) {
        thread.worker.unref();
        this.#idle.add(thread);
      } else {
        await end(thread);
      }
    }
  }

  #start(): PoolThread {
    const stop = createStopCell();
    const worker = this.#startWorker(stop);
    const started = new Promise<void>((resolve) => {
      const fail = () => {
        this.#failedStarts++;
        resolve();
      };
      const begin = () => {
        this.#failedStarts = 0;
        worker.off('exit', fail);
        resolve();
      };
      worker.once('message', begin).once('exit', fail);
    });
    const thread = { worker, stop, started };
    // A thread may fail between two tasks. Without a listener its error would end the process.
    worker.on('error', () => {});
    worker.once('exit', () => this.#idle.delete(thread));
    return thread;
  }

  #startWorker(stop: Int32Array): Worker {
    try {
      return startThread(this.#script, { stop });
    } catch (cause) {
      // The system may have no thread left.
      this.#failedStarts++;
      throw new SnapshotError('INTERNAL', `no worker started: ${messageOf(cause)}`, { cause });
    }
  }
}

/** Waits until the thread has started: Node leaks the open files of a starting thread. */
async function end({ worker, started }: PoolThread): Promise<void> {
  await started;
  await worker.terminate();
}

function perform<Task, Event, Result>(
  { worker, stop: cell }: PoolThread,
  task: Task,
  signal: AbortSignal,
  onEvent: (event: Event) => void,
): Promise<WorkerAnswer<Result>> {
  return new Promise((resolve, reject) => {
    const post = (message: PoolMessage<Task>) => worker.postMessage(message);
    let late: NodeJS.Timeout | undefined;
    let stopped: { readonly reason: unknown } | undefined;
    const settle = (action: () => void) => {
      clearTimeout(late);
      worker.off('message', onMessage).off('error', onError).off('exit', onExit);
      signal.removeEventListener('abort', onAbort);
      if (stopped === undefined) action();
      else reject(stopped.reason);
    };
    const fail = (error: unknown) => settle(() => reject(error));
    const onMessage = (message: WorkerMessage<Event, Result>) => {
      if (message.kind === 'result' || message.kind === 'error') settle(() => resolve(message));
      if (message.kind !== 'event' || stopped !== undefined) return;
      try {
        onEvent(message.event);
      } catch (error) {
        stop(error);
      }
    };
    // The cause is not always an error: a thread can throw anything.
    const onError = (cause: unknown) =>
      fail(new SnapshotError('INTERNAL', `a worker failed: ${messageOf(cause)}`, { cause }));
    const onExit = () =>
      fail(new SnapshotError('INTERNAL', 'a worker ended before its task was done'));
    const stop = (reason: unknown) => {
      if (stopped !== undefined) return;
      stopped = { reason };
      askToStop(cell);
      post({ kind: 'abort' });
      late = setTimeout(() => fail(reason), STOP_MILLISECONDS);
    };
    const onAbort = () => stop(signal.reason);
    worker.on('message', onMessage).on('error', onError).on('exit', onExit);
    signal.addEventListener('abort', onAbort);
    post({ kind: 'task', task });
  });
}

import type { Worker } from 'node:worker_threads';
import { deserializeError, SnapshotError } from '../errors.js';
import type { PoolMessage, WorkerMessage } from './messages.js';
import { startThread } from './start-thread.js';
import { STOP_MILLISECONDS, StopFlag } from './stop.js';

export interface RunOptions<Event> {
  /** Stops the task, ends its thread, and rejects with the signal's reason. */
  signal: AbortSignal;
  onEvent?: (event: Event) => void;
}

interface PoolThread {
  readonly stop: StopFlag;
  /** Resolves when the thread has started, or ended. */
  readonly started: Promise<void>;
}

/**
 * Threads of one script, each with one task at a time. A thread whose task succeeded is kept for
 * the next task; any other thread is ended, with all its file handles and sockets.
 *
 * The caller limits how many tasks run at once. Idle threads don't keep the process alive.
 */
export class WorkerPool<Task, Event, Result> {
  readonly #script: URL;
  readonly #maxIdle: number;
  readonly #keeps: (result: Result) => boolean;
  readonly #idle = new Set<Worker>();
  readonly #running = new Set<Promise<Result>>();
  readonly #threads = new WeakMap<Worker, PoolThread>();
  readonly #closing = new AbortController();

  /**
   * @param maxIdle the most idle threads that are kept.
   * @param keeps whether to keep a thread after a task with this result: it may hold much memory.
   */
  constructor(script: URL, maxIdle: number, keeps: (result: Result) => boolean = () => true) {
    this.#script = script;
    this.#maxIdle = maxIdle;
    this.#keeps = keeps;
  }

  /**
   * @throws SnapshotError the task's failure; `INTERNAL` when its thread ended; `CLOSED`; the
   * signal's reason.
   */
  async run(task: Task, { signal, onEvent }: RunOptions<Event>): Promise<Result> {
    const ends = AbortSignal.any([signal, this.#closing.signal]);
    ends.throwIfAborted();
    const running = this.#run(task, ends, onEvent);
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  /** Starts a thread, unless one is idle, so that the next task does not wait for the start. */
  prepare(): void {
    if (this.#closing.signal.aborted || this.#idle.size > 0) return;
    const worker = this.#start();
    worker.unref();
    this.#idle.add(worker);
  }

  /** Ends all threads; tasks that still run reject. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort(new SnapshotError('CLOSED', 'the worker pool is closed'));
    await Promise.all([...this.#idle].map((worker) => this.#end(worker)));
    await Promise.allSettled(this.#running);
  }

  async #run(
    task: Task,
    signal: AbortSignal,
    onEvent: ((event: Event) => void) | undefined,
  ): Promise<Result> {
    const worker = this.#takeIdle() ?? this.#start();
    worker.ref();
    let reusable = false;
    try {
      const stop = () => this.#threads.get(worker)?.stop.raise();
      const result = await perform<Task, Event, Result>(worker, task, { signal, onEvent, stop });
      reusable = !signal.aborted && this.#idle.size < this.#maxIdle && this.#keeps(result);
      return result;
    } finally {
      if (reusable) {
        worker.unref();
        this.#idle.add(worker);
      } else {
        await this.#end(worker);
      }
    }
  }

  #start(): Worker {
    const stop = new StopFlag();
    const worker = startThread(this.#script, { stop: stop.cell });
    // A thread may fail between two tasks. Without a listener its error would end the process.
    worker.on('error', () => {});
    worker.once('exit', () => this.#idle.delete(worker));
    const started = new Promise<void>((resolve) => {
      worker.once('message', () => resolve()).once('exit', () => resolve());
    });
    this.#threads.set(worker, { stop, started });
    return worker;
  }

  /** Waits until the thread has started: Node leaks the open files of a starting thread. */
  async #end(worker: Worker): Promise<void> {
    await this.#threads.get(worker)?.started;
    await worker.terminate();
  }

  #takeIdle(): Worker | undefined {
    const [worker] = this.#idle;
    if (worker !== undefined) this.#idle.delete(worker);
    return worker;
  }
}

interface PerformOptions<Event> {
  readonly signal: AbortSignal;
  readonly onEvent: ((event: Event) => void) | undefined;
  /** Asks the thread to stop, even while it receives no messages. */
  readonly stop: () => void;
}

function perform<Task, Event, Result>(
  worker: Worker,
  task: Task,
  { signal, onEvent, stop: raise }: PerformOptions<Event>,
): Promise<Result> {
  return new Promise<Result>((resolve, reject) => {
    const post = (message: PoolMessage<Task>) => worker.postMessage(message);
    let late: NodeJS.Timeout | undefined;
    let stopped: { readonly reason: unknown } | undefined;
    const settle = (action: () => void) => {
      clearTimeout(late);
      worker.off('message', onMessage).off('error', onError).off('exit', onExit);
      signal.removeEventListener('abort', onAbort);
      action();
    };
    const onMessage = (message: WorkerMessage<Event, Result>) => {
      if (message.kind === 'ready') return;
      if (stopped !== undefined) {
        const { reason } = stopped;
        if (message.kind !== 'event') settle(() => reject(reason));
      } else if (message.kind === 'event') {
        try {
          onEvent?.(message.event);
        } catch (error) {
          stop(error);
        }
      } else if (message.kind === 'result') settle(() => resolve(message.result));
      else settle(() => reject(deserializeError(message.error)));
    };
    const onLost = (message: string, cause?: unknown) => {
      const error = new SnapshotError('INTERNAL', message, { cause });
      settle(() => reject(stopped === undefined ? error : stopped.reason));
    };
    // Not always an error: a thread can throw anything.
    const onError = (cause: unknown) => onLost(`a worker failed: ${String(cause)}`, cause);
    const onExit = () => onLost('a worker ended before its task was done');
    const stop = (reason: unknown) => {
      if (stopped !== undefined) return;
      stopped = { reason };
      raise();
      post({ kind: 'abort' });
      late = setTimeout(() => settle(() => reject(reason)), STOP_MILLISECONDS);
    };
    const onAbort = () => stop(signal.reason);
    worker.on('message', onMessage).on('error', onError).on('exit', onExit);
    signal.addEventListener('abort', onAbort);
    post({ kind: 'task', task });
  });
}

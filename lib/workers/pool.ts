import { Worker } from 'node:worker_threads';
import { deserializeError, SnapshotError } from '../errors.js';
import type { WorkerMessage } from './messages.js';

export interface RunOptions<Event> {
  /** Ends the worker at once, wherever it is, and rejects with the signal's reason. */
  signal: AbortSignal;
  onEvent?: (event: Event) => void;
}

/**
 * Threads of one script that run one task at a time each. A thread that finished its task well is
 * kept for the next one; any other is ended, with all its file handles and sockets.
 *
 * How many tasks run at once is the caller's business. Idle threads don't keep the process alive.
 */
export class WorkerPool<Task, Event, Result> {
  readonly #script: URL;
  readonly #maxIdle: number;
  readonly #idle: Worker[] = [];
  readonly #busy = new Set<Worker>();
  #closed = false;

  /** @param maxIdle how many idle threads are kept. */
  constructor(script: URL, maxIdle: number) {
    this.#script = script;
    this.#maxIdle = maxIdle;
  }

  /** @throws SnapshotError what the task failed with, `CLOSED`; the signal's reason. */
  async run(task: Task, { signal, onEvent }: RunOptions<Event>): Promise<Result> {
    signal.throwIfAborted();
    if (this.#closed) throw new SnapshotError('CLOSED', 'the worker pool is closed');
    const worker = this.#idle.pop() ?? new Worker(this.#script);
    this.#busy.add(worker);
    worker.ref();
    let reusable = false;
    try {
      const result = await perform<Task, Event, Result>(worker, task, signal, onEvent);
      reusable = !this.#closed && this.#idle.length < this.#maxIdle;
      return result;
    } finally {
      this.#busy.delete(worker);
      if (reusable) {
        worker.unref();
        this.#idle.push(worker);
      } else {
        await worker.terminate();
      }
    }
  }

  /** Ends all threads; tasks that still run reject. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    const workers = [...this.#idle.splice(0), ...this.#busy];
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

function perform<Task, Event, Result>(
  worker: Worker,
  task: Task,
  signal: AbortSignal,
  onEvent: ((event: Event) => void) | undefined,
): Promise<Result> {
  return new Promise<Result>((resolve, reject) => {
    const settle = (action: () => void) => {
      worker.off('message', onMessage).off('error', onError).off('exit', onExit);
      signal.removeEventListener('abort', onAbort);
      action();
    };
    const onMessage = (message: WorkerMessage<Event, Result>) => {
      if (message.kind === 'event') onEvent?.(message.event);
      else if (message.kind === 'result') settle(() => resolve(message.result));
      else settle(() => reject(deserializeError(message.error)));
    };
    const onError = (cause: Error) => {
      settle(() =>
        reject(new SnapshotError('INTERNAL', `a worker failed: ${cause.message}`, { cause })),
      );
    };
    const onExit = () => {
      settle(() =>
        reject(new SnapshotError('CLOSED', 'a worker was ended before its task was done')),
      );
    };
    const onAbort = () => settle(() => reject(signal.reason));
    worker.on('message', onMessage).on('error', onError).on('exit', onExit);
    signal.addEventListener('abort', onAbort);
    worker.postMessage(task);
  });
}

import { setImmediate } from 'node:timers/promises';
import { parentPort, type TransferListItem } from 'node:worker_threads';
import { type SerializedError, serializeError } from '../errors.js';
import { notNeeded } from './stop.js';

/** From a pool to its worker. */
export type PoolMessage<Task> =
  /** Answered by events, and then one result or error. */
  | { readonly kind: 'task'; readonly task: Task }
  /** The task is no longer needed: end it. */
  | { readonly kind: 'abort' };

/** From a worker to its pool, about its one task. */
export type WorkerMessage<Event, Result> =
  /** The worker has started. Sent first, once. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'event'; readonly event: Event }
  | WorkerAnswer<Result>;

export type WorkerAnswer<Result> =
  | { readonly kind: 'result'; readonly result: Result }
  /** `isHarmless`: the thread is fit for another task. */
  | { readonly kind: 'error'; readonly error: SerializedError; readonly isHarmless: boolean };

export interface TaskContext<Event> {
  /** Sends an event. @param moved parts of it that are transferred instead of copied. */
  emit(event: Event, moved?: readonly TransferListItem[]): void;
  /** Aborts when the task is no longer needed. Synchronous code calls `throwIfStopped` instead. */
  readonly signal: AbortSignal;
}

/**
 * Makes this thread a worker of a `WorkerPool`, which sends it one task at a time.
 *
 * @param isHarmless whether the thread may be kept after a failure. Default: never, since a task
 * that failed may have left memory or handles in use.
 */
export function serveTasks<Task, Event, Result>(
  work: (task: Task, context: TaskContext<Event>) => Promise<Result>,
  isHarmless: (error: unknown) => boolean = () => false,
): void {
  const post = (message: WorkerMessage<Event, Result>, moved?: readonly TransferListItem[]) =>
    parentPort?.postMessage(message, moved);
  // The pool may end the thread after the answer. Before that, connections that are being destroyed
  // must be closed: if the thread ends while Node's HTTP parser handles a lost connection, the
  // process aborts.
  const answer = async (message: WorkerAnswer<Result>) => {
    await setImmediate();
    await setImmediate();
    post(message);
  };
  const fail = (error: unknown) =>
    answer({ kind: 'error', error: serializeError(error), isHarmless: isHarmless(error) });
  let aborting = new AbortController();
  parentPort?.on('message', (message: PoolMessage<Task>) => {
    if (message.kind === 'abort') {
      aborting.abort(notNeeded());
      return;
    }
    aborting = new AbortController();
    const context: TaskContext<Event> = {
      emit: (event, moved) => post({ kind: 'event', event }, moved),
      signal: aborting.signal,
    };
    work(message.task, context).then((result) => answer({ kind: 'result', result }), fail);
  });
  post({ kind: 'ready' });
}

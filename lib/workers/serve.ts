import { setImmediate } from 'node:timers/promises';
import { parentPort, type TransferListItem } from 'node:worker_threads';
import { type SerializedError, serializeError } from '../errors.js';
import { notNeeded } from './stop.js';

/** From a pool to its worker. A task is answered by events, and then one result or error. */
export type PoolMessage<Task> =
  | { readonly kind: 'task'; readonly task: Task }
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
 * @param isHarmless whether the failed task has surely left no memory or handles in use.
 */
export function serveTasks<Task, Event, Result>(
  work: (task: Task, context: TaskContext<Event>) => Promise<Result>,
  isHarmless: (error: unknown) => boolean = () => false,
): void {
  const post = (message: WorkerMessage<Event, Result>, moved?: readonly TransferListItem[]) =>
    parentPort?.postMessage(message, moved);
  // The pool may end the thread after the answer. If Node's HTTP parser were still handling a lost
  // connection then, the process would abort. So let connections close first.
  const answer = async (message: WorkerAnswer<Result>) => {
    await setImmediate();
    await setImmediate();
    post(message);
  };
  const fail = (error: unknown) =>
    answer({ kind: 'error', error: serializeError(error), isHarmless: isHarmless(error) });
  let aborting = new AbortController();
  parentPort?.on('message', (message: PoolMessage<Task>) => {
    if (message.kind === 'abort') return aborting.abort(notNeeded());
    aborting = new AbortController();
    const context: TaskContext<Event> = {
      emit: (event, moved) => post({ kind: 'event', event }, moved),
      signal: aborting.signal,
    };
    work(message.task, context).then((result) => answer({ kind: 'result', result }), fail);
  });
  post({ kind: 'ready' });
}

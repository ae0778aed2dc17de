import { setImmediate } from 'node:timers/promises';
import { parentPort, type TransferListItem } from 'node:worker_threads';
import { serializeError } from '../errors.js';
import type { WorkerMessage } from './messages.js';

/** Sends an event. `moved`: what of it goes over without being copied, and is gone here. */
export type Emit<Event> = (event: Event, moved?: readonly TransferListItem[]) => void;

/**
 * Makes this thread a worker of a `WorkerPool`: each message is a task, answered by events and then
 * one result or error. The pool gives a worker one task at a time.
 */
export function serveTasks<Task, Event, Result>(
  work: (task: Task, emit: Emit<Event>) => Promise<Result>,
): void {
  const post = (message: WorkerMessage<Event, Result>, moved?: readonly TransferListItem[]) =>
    parentPort?.postMessage(message, moved);
  parentPort?.on('message', (task: Task) => {
    work(task, (event, moved) => post({ kind: 'event', event }, moved)).then(
      (result) => post({ kind: 'result', result }),
      async (error: unknown) => {
        // The pool ends this thread then. What the task has destroyed must have come to its end before: a
        // thread that is ended while Node's HTTP parser handles a lost connection aborts the process.
        await setImmediate();
        await setImmediate();
        post({ kind: 'error', error: serializeError(error) });
      },
    );
  });
}

import { setImmediate } from 'node:timers/promises';
import { parentPort } from 'node:worker_threads';
import { serializeError } from '../errors.js';
import type { WorkerMessage } from './messages.js';

/**
 * Makes this thread a worker of a `WorkerPool`: each message is a task, answered by events and then
 * one result or error. The pool gives a worker one task at a time.
 */
export function serveTasks<Task, Event, Result>(
  work: (task: Task, emit: (event: Event) => void) => Promise<Result>,
): void {
  const post = (message: WorkerMessage<Event, Result>) => parentPort?.postMessage(message);
  parentPort?.on('message', (task: Task) => {
    work(task, (event) => post({ kind: 'event', event })).then(
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

import { serveTasks } from '../workers/serve.js';
import { createCheckoutPool } from './checkout-thread.js';
import { type WriteEvent, type WriteResult, type WriteTask, writeSnapshot } from './writer.js';

const checkouts = createCheckoutPool();

/** The thread in which snapshots are written. */
serveTasks<WriteTask, WriteEvent, WriteResult>((task, { emit }) => {
  return writeSnapshot(task, emit, checkouts);
});

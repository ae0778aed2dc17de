import { ObjectMemory } from '../pack/object-memory.js';
import { serveTasks } from '../workers/serve.js';
import { createCheckoutPool } from './checkout-thread.js';
import { type WriteEvent, type WriteResult, type WriteTask, writeSnapshot } from './writer.js';

const checkouts = createCheckoutPool();
const memory = new ObjectMemory(0);

/** The thread in which snapshots are written. */
serveTasks<WriteTask, WriteEvent, WriteResult>((task, { emit, signal }) => {
  return writeSnapshot(task, { emit, signal, checkouts, memory });
});

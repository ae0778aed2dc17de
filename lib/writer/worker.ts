import { ObjectMemory } from '../pack/object-memory.js';
import { ResolverPool } from '../pack/resolver-pool.js';
import { serveTasks } from '../workers/serve.js';
import { createCheckoutPool } from './checkout-thread.js';
import { type BundleTask, writeBundle } from './write-bundle.js';
import { isNotFound, type WriteEvent, type WriteResult } from './write-context.js';
import { type SnapshotTask, writeSnapshot } from './write-snapshot.js';

export type WriteTask = SnapshotTask | BundleTask;

const checkouts = createCheckoutPool();
const threads = new ResolverPool();
const memory = new ObjectMemory(0);

/** The worker thread that writes artifacts. */
serveTasks<WriteTask, WriteEvent, WriteResult>(async (task, { emit, signal }) => {
  const context = { emit, signal, checkouts, threads, memory };
  return await (task.kind === 'bundle' ? writeBundle(task, context) : writeSnapshot(task, context));
}, isNotFound);

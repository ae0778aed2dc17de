import { parentPort, workerData } from 'node:worker_threads';
import { serializeError } from '../errors.js';
import { type ResolveTask, resolveRoots, stopResolving } from './resolve.js';

/** The thread that `resolveDeltas` starts: one task, one answer. */
const task: ResolveTask = workerData;
try {
  resolveRoots(task);
  parentPort?.postMessage(undefined);
} catch (error) {
  stopResolving(task);
  parentPort?.postMessage(serializeError(error));
}

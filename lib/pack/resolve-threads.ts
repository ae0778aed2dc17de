import { Worker } from 'node:worker_threads';
import { deserializeError, type SerializedError, SnapshotError } from '../errors.js';
import type { ScannedObjects } from './object-table.js';
import { prepareResolve, type ResolveLimits, resolveRoots, stopResolving } from './resolve.js';

/** Starting a thread takes as long as resolving about this many deltas. */
const DELTAS_WORTH_A_THREAD = 20_000;

/**
 * Resolves all deltas of a scanned pack, in this thread and, for a large pack, up to `threads - 1`
 * others that end with the call.
 *
 * @throws SnapshotError `UPSTREAM_INVALID` for deltas that are malformed or have no base in the pack,
 * `LIMIT_EXCEEDED`.
 */
export async function resolveDeltas(
  packPath: string,
  objects: ScannedObjects,
  threads: number,
  limits: ResolveLimits,
): Promise<void> {
  const task = prepareResolve(packPath, objects, limits);
  const deltas = countUnresolved(objects);
  const others =
    Math.min(threads, task.roots.length, Math.ceil(deltas / DELTAS_WORTH_A_THREAD)) - 1;
  const workers = Array.from({ length: Math.max(0, others) }, () => {
    return new Worker(new URL('./resolve-worker.js', import.meta.url), { workerData: task });
  });
  const answers = workers.map(answerOf);
  const settled = Promise.allSettled(answers);
  try {
    resolveRoots(task);
    for (const error of await Promise.all(answers)) {
      if (error !== undefined) throw deserializeError(error);
    }
  } finally {
    stopResolving(task);
    await Promise.all(workers.map((worker) => worker.terminate()));
    await settled;
  }
  const missing = countUnresolved(objects);
  if (missing > 0) {
    throw new SnapshotError('UPSTREAM_INVALID', `${missing} deltas have no base in the pack`);
  }
}

function answerOf(worker: Worker): Promise<SerializedError | undefined> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error('an indexing thread ended without an answer')));
  });
}

function countUnresolved({ count, columns }: ScannedObjects): number {
  let unresolved = 0;
  for (let i = 0; i < count; i++) if (columns.types[i] === 0) unresolved++;
  return unresolved;
}

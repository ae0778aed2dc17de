import { workerData } from 'node:worker_threads';
import { SnapshotError } from '../errors.js';

/*
 * On Node 20, the end of a thread within a call of zlib can abort the whole process. So a pool asks
 * a thread to stop before it ends it. Threads call `throwIfStopped` before calls of zlib and in
 * synchronous loops.
 */

/** After this time a thread is ended even if it has not stopped. No call of zlib takes as long. */
export const STOP_MILLISECONDS = 60_000;

/** Memory that a thread shares with its pool, as `workerData.stop`. */
export function createStopCell(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4));
}

/** Asks a thread to stop, even one that is too busy for messages. */
export function askToStop(shared: Int32Array): void {
  Atomics.store(shared, 0, 1);
}

const data: unknown = workerData;
const cell =
  typeof data === 'object' && data !== null && 'stop' in data && data.stop instanceof Int32Array
    ? data.stop
    : undefined;

export function notNeeded(): SnapshotError {
  return new SnapshotError('ABORTED', 'the task is not needed any more');
}

/** @throws SnapshotError `ABORTED` when the pool of this thread has asked it to stop. */
export function throwIfStopped(): void {
  if (cell !== undefined && Atomics.load(cell, 0) !== 0) throw notNeeded();
}

import { workerData } from 'node:worker_threads';
import { SnapshotError } from '../errors.js';

/*
 * Stopping threads. On Node 20, a thread that is ended within a call of zlib can abort the whole
 * process. So a thread is asked to stop, and ended after it has stopped: `throwIfStopped` is called
 * before calls of zlib, and in synchronous loops.
 */

/**
 * After this time a thread is ended even if it has not stopped. No call takes that long, even on a
 * busy machine.
 */
export const STOP_MILLISECONDS = 60_000;

/** Memory that a thread gets as `workerData.stop`, and shares with its pool. */
export function createStopCell(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4));
}

/** Asks the thread to stop, for good. Shared memory works even if it is too busy for messages. */
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

/** @throws SnapshotError `ABORTED` when this thread, which a pool has started, is asked to stop. */
export function throwIfStopped(): void {
  if (cell !== undefined && Atomics.load(cell, 0) !== 0) throw notNeeded();
}

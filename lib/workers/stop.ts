import { workerData } from 'node:worker_threads';
import { SnapshotError } from '../errors.js';

/*
 * How threads are ended. A thread that is ended within a call of zlib can abort the whole process, on Node 20.
 * So it is asked to stop, and ended when it has: `throwIfStopped` stands before such calls, and in loops that
 * give the event loop no turn.
 */

/** A thread that has not stopped by then is ended wherever it is. No call takes so long, on a busy machine either. */
export const STOP_MILLISECONDS = 60_000;

/** A cell of memory that a thread shares with whoever may ask it to stop. */
export class StopFlag {
  readonly cell: Int32Array<SharedArrayBuffer>;

  constructor() {
    this.cell = new Int32Array(new SharedArrayBuffer(4));
  }

  /** Asks for it, for good. */
  raise(): void {
    Atomics.store(this.cell, 0, 1);
  }
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

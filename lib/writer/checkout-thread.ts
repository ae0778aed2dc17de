import { setImmediate } from 'node:timers/promises';
import { SnapshotError } from '../errors.js';
import { WorkerPool } from '../workers/pool.js';
import { threadScript } from '../workers/start-thread.js';
import {
  type ArchivedCheckout,
  type CheckoutEvent,
  type CheckoutTask,
  type CheckoutThreadTask,
  WAITING_BYTES,
} from './checkout.js';
import { SharedRoom } from './shared-room.js';

export type CheckoutPool = WorkerPool<CheckoutThreadTask, CheckoutEvent, void>;

/** Keeps one idle thread for the next checkout. The thread ends with its parent. */
export function createCheckoutPool(): CheckoutPool {
  return new WorkerPool(threadScript('checkout'), 1);
}

/** A checkout in another thread, while this one writes the packs. */
export function checkoutInThread(task: CheckoutTask, pool: CheckoutPool): ArchivedCheckout {
  const room = new SharedRoom(WAITING_BYTES);
  const closing = new AbortController();
  const frames: Uint8Array[] = [];
  let isPlanned = false;
  let isOver = false;
  let failure: unknown;
  let onNews = () => {};
  const end = (error?: unknown) => {
    isOver = true;
    failure = error;
    onNews();
  };
  const onEvent = (event: CheckoutEvent) => {
    if (event.kind === 'planned') isPlanned = true;
    else frames.push(event.frame);
    onNews();
  };
  const options = { signal: closing.signal, onEvent };
  const run = pool.run({ ...task, cell: room.cell }, options).then(() => end(), end);
  return {
    isPlanned: async () => {
      await setImmediate(); // messages of the thread arrive by the event loop
      if (failure !== undefined) throw failure;
      return isPlanned;
    },
    write: async (onFrame, signal) => {
      signal.addEventListener('abort', () => onNews(), { signal: closing.signal });
      for (;;) {
        signal.throwIfAborted();
        for (let frame = frames.shift(); frame !== undefined; frame = frames.shift()) {
          onFrame(frame);
          room.give(frame.length);
        }
        if (failure !== undefined) throw failure;
        if (isOver) return;
        await new Promise<void>((resolve) => {
          onNews = resolve;
        });
      }
    },
    close: async () => {
      closing.abort(new SnapshotError('ABORTED', 'the checkout is no longer needed'));
      room.abandon();
      await run;
    },
  };
}

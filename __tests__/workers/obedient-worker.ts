import { once } from 'node:events';
import { openSync, writeFileSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { BroadcastChannel, threadId } from 'node:worker_threads';
import { SnapshotError } from '../../lib/errors.js';
import { serveTasks } from '../../lib/workers/serve.js';
import { throwIfStopped } from '../../lib/workers/stop.js';

/** Orders for the worker of the pool's tests. */
export type Order =
  | { readonly kind: 'answer' }
  | { readonly kind: 'tell'; readonly events: readonly string[] }
  | { readonly kind: 'fail' }
  /** Says so, then sleeps or computes until it is aborted; `-on`: also after that. */
  | { readonly kind: 'sleep' | 'spin' | 'sleep-on' | 'spin-on' }
  /** Opens the file, says so, and sleeps. */
  | { readonly kind: 'hold'; readonly path: string }
  /** Says so, writes into the file when it is aborted, and fails then. */
  | { readonly kind: 'tidy'; readonly path: string }
  | { readonly kind: 'exit' }
  /** Says so, and answers after the first message on the channel, unless it is aborted before that. */
  | { readonly kind: 'wait'; readonly channel: string }
  /** Throws outside of the task: an error, or another value. */
  | { readonly kind: 'throw'; readonly thrown: 'error' | 'null' }
  /** Answers, and ends or throws at the first message on the channel. */
  | { readonly kind: 'mine'; readonly channel: string; readonly explosion: 'exit' | 'throw' };

/** Answers with the id of its thread. */
serveTasks<Order, string, number>(async (order, { emit, signal }) => {
  switch (order.kind) {
    case 'answer':
      return threadId;
    case 'tell':
      for (const event of order.events) emit(event);
      return threadId;
    case 'fail':
      throw new SnapshotError('LIMIT_EXCEEDED', 'told to fail', {
        retryAfter: 7,
        limit: 'maxFiles',
        repository: { host: 'git.test', path: 'org/repo' },
      });
    case 'sleep':
      emit('asleep');
      return await sleep(signal);
    case 'spin':
      emit('spinning');
      for (;;) throwIfStopped();
    case 'sleep-on':
      emit('asleep');
      return await sleep();
    case 'spin-on':
      emit('spinning');
      for (;;);
    case 'hold':
      openSync(order.path, 'w');
      emit('holding');
      return await sleep(signal);
    case 'tidy':
      emit('working');
      await once(signal, 'abort');
      writeFileSync(order.path, String(signal.reason.code));
      throw signal.reason;
    case 'wait': {
      const channel = new BroadcastChannel(order.channel);
      const told = new Promise((resolve) => {
        channel.onmessage = resolve;
      });
      emit('waiting');
      await told;
      channel.close();
      // Messages that were sent earlier on another channel may arrive a little later, but not this much.
      for (let turn = 0; turn < 2; turn += 1) await nextTurn();
      signal.throwIfAborted();
      return threadId;
    }
    case 'exit':
      process.exit(0);
      return threadId;
    case 'throw':
      setImmediate(() => {
        throw order.thrown === 'null' ? null : new Error('told to throw');
      });
      return await sleep();
    case 'mine':
      new BroadcastChannel(order.channel).onmessage = () => {
        if (order.explosion === 'exit') process.exit(0);
        throw new Error('told to throw when idle');
      };
      return threadId;
  }
});

/** @param signal ends the sleep. Default: it never ends. */
function sleep(signal?: AbortSignal): Promise<never> {
  setInterval(() => {}, 1000);
  return new Promise((_, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason));
  });
}

import { parentPort, workerData } from 'node:worker_threads';
import { type SerializedError, serializeError } from '../errors.js';
import { type EntryQueueMemory, EntryQueueReader } from './entry-queue.js';
import type { IngestLimits } from './limits.js';
import type { ObjectMemory } from './object-memory.js';
import type { ObjectColumns } from './object-table.js';
import { memoryWithRing } from './recent-objects.js';
import { Resolver } from './resolver.js';
import { runSecondPass, type SecondPass, stopSecondPass } from './second-pass.js';

/** From a `ResolverThread` to this thread, which answers each order by `done` or `error`. */
export type ResolverOrder =
  /** Resolve the entries of the queue until it is paused. `fd`: the pack. */
  | { kind: 'begin'; fd: number; columns: ObjectColumns; limits: IngestLimits }
  | { kind: 'second-pass'; pass: SecondPass };

export type ResolverAnswer =
  /** `ready`: the thread has started. `room`: the queue has the room that `askForRoom` wanted. */
  { kind: 'ready' | 'room' | 'done' } | { kind: 'error'; error: SerializedError };

const queue: EntryQueueMemory = workerData;
const answer = (message: ResolverAnswer) => parentPort?.postMessage(message);
const reader = new EntryQueueReader(queue, () => answer({ kind: 'room' }));
let memory: ObjectMemory | undefined;

parentPort?.on('message', (order: ResolverOrder) => {
  const { limits } = order.kind === 'begin' ? order : order.pass;
  try {
    memory = memoryWithRing(limits.deltaCacheBytes, memory);
    if (order.kind === 'second-pass') runSecondPass(order.pass, memory);
    else reader.readAll(new Resolver(order.fd, order.columns, limits, memory).add);
    answer({ kind: 'done' });
  } catch (error) {
    if (order.kind === 'second-pass') stopSecondPass(order.pass);
    answer({ kind: 'error', error: serializeError(error) });
  }
});
answer({ kind: 'ready' });

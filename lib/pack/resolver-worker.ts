import { parentPort, workerData } from 'node:worker_threads';
import { serializeError } from '../errors.js';
import { EntryQueueReader } from './entry-queue.js';
import { resolveLeftovers, stopLeftovers } from './leftovers.js';
import { Resolver } from './resolver.js';
import type { ResolverAnswer, ResolverOrder, ResolverThreadData } from './resolver-thread.js';

/** The thread behind a `ResolverThread`. */
const { fd, queue, limits }: ResolverThreadData = workerData;
const answer = (message: ResolverAnswer) => parentPort?.postMessage(message);
const reader = new EntryQueueReader(queue, () => answer({ kind: 'room' }));
let resolver: Resolver | undefined;

parentPort?.on('message', (order: ResolverOrder) => {
  try {
    if (order.kind === 'entries') {
      resolver ??= new Resolver(fd, order.columns, limits);
      resolver.moveColumns(order.columns);
      reader.readAll(resolver.add);
    } else {
      // Its recent objects are of no use any more.
      resolver = undefined;
      resolveLeftovers(order.task);
    }
    answer({ kind: 'done' });
  } catch (error) {
    if (order.kind === 'leftovers') stopLeftovers(order.task);
    answer({ kind: 'error', error: serializeError(error) });
  }
});

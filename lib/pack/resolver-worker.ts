import { parentPort, workerData } from 'node:worker_threads';
import { serializeError } from '../errors.js';
import { EntryQueueReader } from './entry-queue.js';
import { resolveLeftovers, stopLeftovers } from './leftovers.js';
import { Resolver } from './resolver.js';
import type { ResolverAnswer, ResolverOrder, ResolverThreadData } from './resolver-thread.js';

/** The thread behind a `ResolverThread`. */
const { queue }: ResolverThreadData = workerData;
const answer = (message: ResolverAnswer) => parentPort?.postMessage(message);
const reader = new EntryQueueReader(queue, () => answer({ kind: 'room' }));
let resolver: Resolver | undefined;

function obey(order: ResolverOrder): void {
  switch (order.kind) {
    case 'begin':
      resolver = new Resolver(order.fd, order.columns, order.limits);
      reader.readAll(resolver.add);
      break;
    case 'continue':
      if (resolver === undefined) throw new RangeError('nothing was begun');
      resolver.moveColumns(order.columns);
      reader.readAll(resolver.add);
      break;
    case 'leftovers':
      // Its recent objects are of no use any more.
      resolver = undefined;
      resolveLeftovers(order.task);
      break;
    case 'end':
      resolver = undefined;
  }
}

parentPort?.on('message', (order: ResolverOrder) => {
  try {
    obey(order);
    answer({ kind: 'done' });
  } catch (error) {
    if (order.kind === 'leftovers') stopLeftovers(order.task);
    answer({ kind: 'error', error: serializeError(error) });
  }
});

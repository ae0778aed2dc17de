import { parentPort, workerData } from 'node:worker_threads';
import { serializeError } from '../errors.js';
import { EntryQueueReader } from './entry-queue.js';
import type { ObjectMemory } from './object-memory.js';
import { memoryWithRing } from './recent-objects.js';
import { type ResolveLimits, Resolver } from './resolver.js';
import type { ResolverAnswer, ResolverOrder, ResolverThreadData } from './resolver-thread.js';
import { resolveLeftovers, stopLeftovers } from './second-pass.js';

/** The thread behind a `ResolverThread`. */
const { queue }: ResolverThreadData = workerData;
const answer = (message: ResolverAnswer) => parentPort?.postMessage(message);
const reader = new EntryQueueReader(queue, () => answer({ kind: 'room' }));
let memory: ObjectMemory | undefined;

function obey(order: ResolverOrder): void {
  switch (order.kind) {
    case 'begin':
      reader.readAll(begin(order).add);
      break;
    case 'leftovers':
      resolveLeftovers(order.task, memoryFor(order.task.limits));
  }
}

function begin({ fd, columns, limits }: ResolverOrder & { kind: 'begin' }): Resolver {
  return new Resolver(fd, columns, limits, memoryFor(limits));
}

function memoryFor({ deltaCacheBytes }: ResolveLimits): ObjectMemory {
  memory = memoryWithRing(deltaCacheBytes, memory);
  return memory;
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
answer({ kind: 'ready' });

import { parentPort, workerData } from 'node:worker_threads';
import { serializeError } from '../errors.js';
import { EntryQueueReader } from './entry-queue.js';
import type { IngestLimits } from './limits.js';
import type { ObjectMemory } from './object-memory.js';
import { memoryWithRing } from './recent-objects.js';
import { Resolver } from './resolver.js';
import type { ResolverAnswer, ResolverOrder, ResolverThreadData } from './resolver-messages.js';
import { runSecondPass, stopSecondPass } from './second-pass.js';

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
    case 'second-pass':
      runSecondPass(order.pass, memoryFor(order.pass.limits));
  }
}

function begin({ fd, columns, limits }: ResolverOrder & { kind: 'begin' }): Resolver {
  return new Resolver(fd, columns, limits, memoryFor(limits));
}

function memoryFor({ deltaCacheBytes }: IngestLimits): ObjectMemory {
  memory = memoryWithRing(deltaCacheBytes, memory);
  return memory;
}

parentPort?.on('message', (order: ResolverOrder) => {
  try {
    obey(order);
    answer({ kind: 'done' });
  } catch (error) {
    if (order.kind === 'second-pass') stopSecondPass(order.pass);
    answer({ kind: 'error', error: serializeError(error) });
  }
});
answer({ kind: 'ready' });

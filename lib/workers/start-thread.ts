import { Worker } from 'node:worker_threads';

/**
 * MiB of the young generation, of which V8 fills a third before it collects. By default it grows to 48 and
 * more, and stays; what our threads leave behind is mostly buffers, which lie elsewhere.
 */
const YOUNG_GENERATION_MIB = 6;

/** Starts a thread whose heap stays small. */
export function startThread(script: URL, workerData?: unknown): Worker {
  const resourceLimits = { maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB };
  return new Worker(script, { workerData, resourceLimits });
}

import { Worker } from 'node:worker_threads';

/**
 * MiB of the young generation, three halves of what V8 fills before it collects. Its default, some 48,
 * is kept by each thread for good; what ours leave behind is buffers, whose number this does not change.
 */
const YOUNG_GENERATION_MIB = 6;

/** Starts a thread whose heap stays small. */
export function startThread(script: URL, workerData?: unknown): Worker {
  const resourceLimits = { maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB };
  return new Worker(script, { workerData, resourceLimits });
}

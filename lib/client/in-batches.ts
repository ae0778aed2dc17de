import { setImmediate } from 'node:timers/promises';

/** Items that are handled before other work gets a turn. */
const BATCH = 256;

/** Handles items with synchronous calls. @throws the signal's reason, between two batches. */
export async function inBatches<T>(
  items: Iterable<T>,
  signal: AbortSignal | undefined,
  handle: (item: T) => void,
): Promise<void> {
  let count = 0;
  for (const item of items) {
    if (count++ % BATCH === 0) {
      await setImmediate();
      signal?.throwIfAborted();
    }
    handle(item);
  }
}

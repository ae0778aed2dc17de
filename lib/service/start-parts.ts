import { PROBE_KEY } from '../artifact/key.js';
import { requireWritable } from '../fs/require-writable.js';
import { untilReady } from '../locks/host-lock.js';
import type { ServiceParts } from './parts.js';

/**
 * Starts the parts of a service; the warm-up goes on in the background.
 *
 * @throws SnapshotError if `dataDir` can't be written, or a part can't start
 */
export async function startParts(
  { store, locks, mirrors, writer, warmUp }: ServiceParts,
  dataDir: string,
  closing: AbortSignal,
): Promise<void> {
  closing.throwIfAborted();
  await requireWritable(dataDir);
  // The first call makes a store on disk clean up after a crash. Later calls show its failures.
  const storeStarted = store.stat(PROBE_KEY).catch(() => undefined);
  const starts = [mirrors.start(), writer.start(), storeStarted, untilReady(locks, closing)];
  // Waits for all parts: the next attempt must not run beside parts of this one.
  await Promise.allSettled(starts);
  await Promise.all(starts);
  warmUp.begin();
}

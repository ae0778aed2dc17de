import { toSnapshotError } from '../errors.js';

/**
 * Work that is done once, before all that needs it. After a failure, which may have been a passing one, the
 * next caller has it tried again.
 */
export function startup(work: () => Promise<void>): () => Promise<void> {
  let started: Promise<void> | undefined;
  return () => {
    started ??= work().catch((error: unknown) => {
      started = undefined;
      throw toSnapshotError(error);
    });
    return started;
  };
}

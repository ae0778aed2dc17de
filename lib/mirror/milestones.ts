import type { FetchProgress } from '../upstream/fetch-pack.js';

/**
 * Of a pack: what a clone must get within its time. Whatever its size, it may take as long as it takes, but
 * an upstream that sends a byte a minute, or talks without sending anything, holds no place for ever.
 */
const MILESTONE_BYTES = 256 * 1024 * 1024;

/**
 * Tells which progress of a fetch is a milestone: the first MiB of a pack, each 256 MiB of it, and that all of
 * it is there. Keeps where it is from call to call.
 */
export function milestones(): (progress: FetchProgress) => boolean {
  let phase = '';
  let reached = 0;
  return (progress) => {
    if (progress.kind !== 'pack') return false;
    const isNext = progress.phase !== phase || progress.receivedBytes - reached >= MILESTONE_BYTES;
    if (!isNext) return false;
    ({ phase, receivedBytes: reached } = progress);
    return true;
  };
}

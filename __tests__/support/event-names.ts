import type { SnapshotEvents } from '../../lib/index.js';

const NAMES: Record<keyof SnapshotEvents, true> = {
  hit: true,
  miss: true,
  cloneStarted: true,
  cloneProgress: true,
  cloneFinished: true,
  cloneFailed: true,
  restoreFailed: true,
  refreshed: true,
  refreshFailed: true,
  consolidated: true,
  consolidationFailed: true,
  mirrorEvicted: true,
  mirrorBroken: true,
  generationStarted: true,
  generationFinished: true,
  generationFailed: true,
  storeFailed: true,
  storeDegraded: true,
  evicted: true,
};

/** Every event that a service has: an event that is added to the type has to be added here. */
export const EVENT_NAMES = Object.keys(NAMES) as readonly (keyof SnapshotEvents)[];

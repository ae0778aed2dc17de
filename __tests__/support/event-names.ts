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
  forgotten: true,
  consolidated: true,
  consolidationFailed: true,
  mirrorEvicted: true,
  mirrorBroken: true,
  generationStarted: true,
  generationFinished: true,
  generationFailed: true,
  storeFailed: true,
  evicted: true,
};

/** All events of a service. The compiler refuses the list when one is missing. */
export const EVENT_NAMES = Object.keys(NAMES) as readonly (keyof SnapshotEvents)[];

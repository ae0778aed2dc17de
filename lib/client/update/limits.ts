import type { IngestLimits } from '../../pack/limits.js';

/** As the server's defaults. One thread: starting others takes longer than most bundles. */
export const UPDATE_LIMITS: IngestLimits = {
  deltaCacheBytes: 16 * 1024 ** 2,
  maxObjectBytesInMemory: 512 * 1024 ** 2,
  maxPackBytes: 16 * 1024 ** 3,
  maxObjects: 20_000_000,
  maxObjectBytes: 4 * 1024 ** 3,
  maxResolvedBytes: 2048 * 1024 ** 3,
  maxExpansionRatio: 5000,
  indexThreads: 1,
};

/** Steps of matching paths with `.gitattributes`. */
export const MAX_ATTRIBUTE_STEPS = 2_000_000_000;

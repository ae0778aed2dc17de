import type { ObjectMemory } from '../../pack/object-memory.js';
import type { ResolverPool } from '../../pack/resolver-pool.js';
import type { FetchProgress } from '../../upstream/fetch-progress.js';

/** Resources of a worker thread for its jobs. */
export interface JobContext {
  onProgress(progress: FetchProgress): void;
  /** Threads that resolve deltas. They outlive the job, for the next one. */
  readonly threads: ResolverPool;
  readonly memory: ObjectMemory;
  /** Closes all connections and ends long walks of the history; other computation goes on. */
  readonly signal: AbortSignal;
}

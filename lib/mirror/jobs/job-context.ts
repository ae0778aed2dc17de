import type { ObjectMemory } from '../../pack/object-memory.js';
import type { ResolverPool } from '../../pack/resolver-pool.js';
import type { FetchProgress } from '../../upstream/fetch-pack.js';

/** What a job on a mirror works with. */
export interface JobContext {
  onProgress(progress: FetchProgress): void;
  /** To be used and kept for the next job. */
  readonly threads: ResolverPool;
  /** For reading objects. */
  readonly memory: ObjectMemory;
  /** Closes all connections; what is computed at the time goes on. */
  readonly signal: AbortSignal;
}

import { type SerializedError, serializeError } from '../../errors.js';
import { ObjectMemory } from '../../pack/object-memory.js';
import { ResolverPool } from '../../pack/resolver-pool.js';
import { DiscoveryError } from '../../upstream/discover.js';
import type { FetchProgress } from '../../upstream/fetch-pack.js';
import { serveTasks } from '../../workers/serve.js';
import { type CheckResult, type CheckTask, checkUpstream } from './check.js';
import { type CloneResult, type CloneTask, cloneMirror } from './clone.js';
import {
  type ConnectivityResult,
  type ConnectivityTask,
  checkConnectivity,
} from './connectivity.js';
import { type FetchResult, type FetchTask, fetchIntoMirror } from './fetch.js';
import type { JobContext } from './job-context.js';
import { type QueryResult, type QueryTask, queryMirror } from './query.js';
import { type RepackResult, type RepackTask, repackMirror } from './repack.js';

/** A job on a mirror, as a worker thread gets it; structured-cloneable. */
export type Job = CloneTask | FetchTask | CheckTask | ConnectivityTask | RepackTask | QueryTask;
export type JobResult =
  | CloneResult
  | FetchResult
  | CheckResult
  | ConnectivityResult
  | RepackResult
  | QueryResult;

/** A job that failed because the upstream did not tell its refs. */
export interface Undiscovered {
  readonly kind: 'undiscovered';
  readonly error: SerializedError;
}

/**
 * A failed discovery is a result, not an error: an error ends the thread. Checks of an upstream
 * that is down would need a new thread each time.
 */
async function answerJob(job: Job, context: JobContext): Promise<JobResult | Undiscovered> {
  try {
    return await performJob(job, context);
  } catch (error) {
    if (!(error instanceof DiscoveryError) || context.signal.aborted) throw error;
    return { kind: 'undiscovered', error: serializeError(error) };
  }
}

function performJob(job: Job, context: JobContext): Promise<JobResult> {
  switch (job.kind) {
    case 'clone':
      return cloneMirror(job, context);
    case 'fetch':
      return fetchIntoMirror(job, context);
    case 'check':
      return checkUpstream(job, context);
    case 'connectivity':
      return checkConnectivity(job, context);
    case 'repack':
      return repackMirror(job, context);
    case 'query':
      return queryMirror(job, context);
  }
}

const threads = new ResolverPool();
const memory = new ObjectMemory(0);
serveTasks<Job, FetchProgress, JobResult | Undiscovered>((job, { emit, signal }) => {
  return answerJob(job, { onProgress: emit, threads, memory, signal });
});

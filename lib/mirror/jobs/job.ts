import { type SerializedError, serializeError } from '../../errors.js';
import { DiscoveryError } from '../../upstream/discover.js';
import { type CheckResult, type CheckTask, checkUpstream } from './check.js';
import { type CloneResult, type CloneTask, cloneMirror } from './clone.js';
import {
  type ConnectivityResult,
  type ConnectivityTask,
  checkConnectivity,
} from './connectivity.js';
import { type UpdateResult, type UpdateTask, updateMirror } from './fetch.js';
import type { JobContext } from './job-context.js';
import { type LookUpResult, type LookUpTask, lookUp } from './query.js';
import { type ConsolidateResult, type ConsolidateTask, consolidate } from './repack.js';

/** What the threads of mirrors do; structured-cloneable. */
export type Job =
  | CloneTask
  | UpdateTask
  | CheckTask
  | ConnectivityTask
  | ConsolidateTask
  | LookUpTask;
export type JobResult =
  | CloneResult
  | UpdateResult
  | CheckResult
  | ConnectivityResult
  | ConsolidateResult
  | LookUpResult;

/** A job that came to nothing because the upstream did not say what it has. */
export interface Undiscovered {
  readonly kind: 'undiscovered';
  readonly error: SerializedError;
}

/** An upstream that is down may be asked again and again: that it is must not cost a thread each time. */
export async function answerJob(job: Job, context: JobContext): Promise<JobResult | Undiscovered> {
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
    case 'update':
      return updateMirror(job, context);
    case 'check':
      return checkUpstream(job, context.signal);
    case 'connectivity':
      return checkConnectivity(job, context);
    case 'consolidate':
      return consolidate(job, context);
    case 'look-up':
      return lookUp(job, context);
  }
}

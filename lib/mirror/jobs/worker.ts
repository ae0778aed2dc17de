import { ObjectMemory } from '../../pack/object-memory.js';
import { ResolverPool } from '../../pack/resolver-pool.js';
import { DiscoveryError } from '../../upstream/discover.js';
import type { FetchProgress } from '../../upstream/fetch-progress.js';
import { serveTasks } from '../../workers/serve.js';
import { type CheckTask, checkUpstream } from './check.js';
import { type CloneTask, cloneMirror } from './clone.js';
import { type ConnectivityTask, checkConnectivity } from './connectivity.js';
import { type FetchTask, fetchIntoMirror } from './fetch.js';
import type { JobContext } from './job-context.js';
import { type QueryTask, queryMirror } from './query.js';
import { type RepackTask, repackMirror } from './repack.js';
import { type SurveyTask, surveyMirrors } from './survey.js';

/** A job on a mirror; structured-cloneable. */
export type Job =
  | CloneTask
  | FetchTask
  | CheckTask
  | ConnectivityTask
  | RepackTask
  | QueryTask
  | SurveyTask;
export type JobResult = Awaited<ReturnType<typeof performJob>>;

async function performJob(job: Job, context: JobContext) {
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
    case 'survey':
      return surveyMirrors(job);
  }
}

const threads = new ResolverPool();
const memory = new ObjectMemory(0);
serveTasks<Job, FetchProgress, JobResult>(
  (job, { emit, signal }) => performJob(job, { onProgress: emit, threads, memory, signal }),
  // Keeps the thread: otherwise each check of an upstream that is down would need a new one.
  (error) => error instanceof DiscoveryError,
);

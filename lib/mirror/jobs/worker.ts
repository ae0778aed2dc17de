import { ObjectMemory } from '../../pack/object-memory.js';
import { ResolverPool } from '../../pack/resolver-pool.js';
import type { FetchProgress } from '../../upstream/fetch-pack.js';
import { serveTasks } from '../../workers/serve.js';
import { answerJob, type Job, type JobResult, type Undiscovered } from './job.js';

/** The thread in which mirrors are made and changed, and those that help it. */
const threads = new ResolverPool();
const memory = new ObjectMemory(0);
serveTasks<Job, FetchProgress, JobResult | Undiscovered>((job, { emit, signal }) => {
  return answerJob(job, { onProgress: emit, threads, memory, signal });
});

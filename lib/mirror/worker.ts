import { ResolverPool } from '../pack/resolver-pool.js';
import { serveTasks } from '../workers/serve.js';
import { type CloneProgress, type CloneResult, type CloneTask, cloneMirror } from './fetch.js';

/** The thread in which mirrors are cloned, and those that help it. */
const threads = new ResolverPool();
serveTasks<CloneTask, CloneProgress, CloneResult>((task, { emit, signal }) => {
  return cloneMirror(task, emit, threads, signal);
});

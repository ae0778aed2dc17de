import { ResolverThreads } from '../pack/resolver-threads.js';
import { serveTasks } from '../workers/serve.js';
import { type CloneProgress, type CloneResult, type CloneTask, cloneMirror } from './fetch.js';

/** The thread in which mirrors are cloned, and those that help it. */
const threads = new ResolverThreads();
serveTasks<CloneTask, CloneProgress, CloneResult>((task, { emit, signal }) => {
  return cloneMirror(task, emit, threads, signal);
});

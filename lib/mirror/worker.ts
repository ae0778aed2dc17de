import { serveTasks } from '../workers/serve.js';
import { type CloneProgress, type CloneResult, type CloneTask, cloneMirror } from './fetch.js';

/** The thread in which mirrors are cloned. */
serveTasks<CloneTask, CloneProgress, CloneResult>(cloneMirror);

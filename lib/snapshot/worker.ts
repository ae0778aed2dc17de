import { serveTasks } from '../workers/serve.js';
import { type WriteEvent, type WriteResult, type WriteTask, writeSnapshot } from './writer.js';

/** The thread in which snapshots are written. */
serveTasks<WriteTask, WriteEvent, WriteResult>(writeSnapshot);

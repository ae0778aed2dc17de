import { randomUUID } from 'node:crypto';
import { elapsedSince, now, type Time } from '../async/clock.js';
import type { SnapshotError } from '../errors.js';
import type { FetchProgress } from '../upstream/fetch-progress.js';
import type { SnapshotEmitter } from './emitter.js';
import type {
  JobEndedEvent,
  JobInfo,
  JobKind,
  JobProgressEvent,
  JobResults,
  JobStartedEvent,
} from './job-events.js';

type Subject<Kind extends JobKind> = Pick<JobInfo<Kind>, 'kind' | 'repository' | 'artifact'>;

/**
 * A job, as its events tell it: at most one start, and one end for each start. A job whose turn
 * never comes has no events.
 */
export class Job<Kind extends JobKind = JobKind> {
  readonly #emitter: SnapshotEmitter;
  readonly #subject: Subject<Kind>;
  #queuedAt = now();
  /** `undefined` before the start, and after the end. */
  #running: { readonly info: JobInfo<Kind>; readonly since: Time } | undefined;
  #hasStarted = false;

  constructor(emitter: SnapshotEmitter, subject: Subject<Kind>) {
    this.#emitter = emitter;
    this.#subject = subject;
  }

  /** The wait for a turn begins. Default: when the job is created. */
  queue(): void {
    this.#queuedAt = now();
  }

  /** The turn has come. Does nothing when called again. */
  start(): void {
    if (this.#hasStarted) return;
    this.#hasStarted = true;
    const info = { id: randomUUID(), ...this.#subject, queuedMs: elapsedSince(this.#queuedAt) };
    this.#running = { info, since: now() };
    this.#emitter.emit('jobStarted', info as JobStartedEvent);
  }

  progress(progress: FetchProgress): void {
    if (this.#running === undefined) return;
    this.#emitter.emit('jobProgress', { ...this.#running.info, progress } as JobProgressEvent);
  }

  /** Does nothing unless the job runs. */
  succeed(result: JobResults[Kind]): void {
    this.#end({ error: undefined, ...result });
  }

  /** Does nothing unless the job runs: so a failure of later work is not this job's. */
  fail(error: SnapshotError): void {
    this.#end({ error });
  }

  #end(end: { readonly error: SnapshotError | undefined }): void {
    if (this.#running === undefined) return;
    const { info, since } = this.#running;
    this.#running = undefined;
    // The compiler can't see that the result is that of the kind: `Kind` is a parameter.
    const event = { ...info, durationMs: elapsedSince(since), ...end } as JobEndedEvent;
    this.#emitter.emit('jobEnded', event);
  }
}

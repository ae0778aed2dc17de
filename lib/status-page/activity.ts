import { recentlyUsed } from '../async/recently-used.js';
import { SnapshotError } from '../errors.js';
import type { SnapshotEventSource, SnapshotListener } from '../events/emitter.js';
import type { SnapshotEvents } from '../events/events.js';
import type { JobEndedEvent, JobProgressEvent, JobStartedEvent } from '../events/job-events.js';
import { type RepositoryId, repositoryKey } from '../repository.js';
import { failureOf } from './failure.js';
import type { RowActivity, RowFailure, RunningJob } from './messages.js';
import { afterProgress, runningJob } from './running-job.js';

/** Repositories whose counts and failures are kept: those that had an event last. */
const MAX_COUNTED = 10_000;

/** What has happened to a repository since the page was made. */
export interface Counts {
  readonly hits: number;
  readonly misses: number;
  readonly failure: RowFailure | undefined;
}

const NOTHING: Counts = { hits: 0, misses: 0, failure: undefined };

/** Is told what changed, so that it can be shown. */
export interface ActivityListener {
  /** The status of a repository has to be read again. */
  statusChanged(repository: RepositoryId): void;
  /** Only the counts or the activity of a repository changed. */
  countsChanged(repository: RepositoryId): void;
  jobsChanged(): void;
}

/** Follows the events of a service: hits, failures and the jobs that run. */
export class Activity {
  readonly #listener: ActivityListener;
  readonly #counts = recentlyUsed<string, Counts>(MAX_COUNTED);
  readonly #jobs = new Map<string, RunningJob>();
  /** Actions that run, by the name of the repository. */
  readonly #actions = new Map<string, RowActivity>();
  readonly #ends: (() => void)[] = [];

  constructor(events: SnapshotEventSource, listener: ActivityListener) {
    this.#listener = listener;
    const on = <Name extends keyof SnapshotEvents>(
      name: Name,
      listener: SnapshotListener<Name>,
    ) => {
      events.on(name, listener);
      this.#ends.push(() => events.off(name, listener));
    };
    on('hit', ({ repository }) => this.#count(repository, 'hits'));
    on('miss', ({ repository }) => this.#count(repository, 'misses'));
    on('jobStarted', (job) => this.#started(job));
    on('jobProgress', (job) => this.#progress(job));
    on('jobEnded', (job) => this.#ended(job));
    on('evicted', ({ repository }) => this.#changed(repository));
    on('mirrorEvicted', ({ repository }) => this.#changed(repository));
    on('evictionFailed', ({ repository, error }) => this.fail(repository, 'eviction', error));
    on('mirrorSeedFailed', ({ repository, error }) => this.fail(repository, 'clone', error));
    on('mirrorCorrupted', ({ repository, error }) => {
      if (repository !== undefined) this.fail(repository, 'reading the mirror', error);
    });
    on('repositoryForgotten', ({ repository, error }) => {
      if (error === undefined) this.#changed(repository);
      else this.fail(repository, 'removal', error);
    });
  }

  /** The jobs that run, the oldest first. */
  get jobs(): readonly RunningJob[] {
    return [...this.#jobs.values()];
  }

  countsOf(name: string): Counts {
    return this.#counts.peek(name) ?? NOTHING;
  }

  /** The names of the repositories whose work has failed since a date, and not succeeded after that. */
  failedSince(date: number): string[] {
    return [...this.#counts.entries()]
      .filter(([, { failure }]) => failure?.at !== undefined && failure.at >= date)
      .map(([name]) => name);
  }

  /** The running work of each repository: an action, or the job that began last. */
  running(): ReadonlyMap<string, RowActivity> {
    const jobs = this.jobs.map(({ name, kind }) => [name, kind] as const);
    return new Map<string, RowActivity>([...jobs, ...this.#actions]);
  }

  /** Shows an action at its repository until the returned function is called. */
  act(repository: RepositoryId, action: RowActivity): () => void {
    const name = repositoryKey(repository);
    this.#actions.set(name, action);
    this.#listener.countsChanged(repository);
    return () => {
      this.#actions.delete(name);
      this.#listener.statusChanged(repository);
    };
  }

  fail(repository: RepositoryId, during: string, error: SnapshotError): void {
    this.#update(repository, { failure: failureOf(error, during, Date.now()) });
    this.#changed(repository);
  }

  /** Ends the listening. Idempotent. */
  end(): void {
    for (const end of this.#ends.splice(0)) end();
    this.#jobs.clear();
  }

  #started(job: JobStartedEvent): void {
    this.#jobs.set(job.id, runningJob(job, Date.now()));
    this.#listener.jobsChanged();
    this.#changed(job.repository);
  }

  #progress(event: JobProgressEvent): void {
    // A job that is not known began before the page was made.
    const job = this.#jobs.get(event.id) ?? runningJob(event, Date.now());
    this.#jobs.set(event.id, afterProgress(job, event.progress));
    this.#listener.jobsChanged();
  }

  #ended({ id, kind, repository, error }: JobEndedEvent): void {
    this.#jobs.delete(id);
    this.#listener.jobsChanged();
    if (error === undefined) this.#succeeded(repository, kind);
    else if (!SnapshotError.is(error, 'ABORTED', 'CLOSED')) this.fail(repository, kind, error);
    this.#changed(repository);
  }

  /** The same work has succeeded, so its failure is over. */
  #succeeded(repository: RepositoryId, kind: string): void {
    const { failure } = this.countsOf(repositoryKey(repository));
    const isOver = failure?.during === kind || kind === 'store';
    if (failure !== undefined && isOver) this.#update(repository, { failure: undefined });
  }

  #count(repository: RepositoryId, what: 'hits' | 'misses'): void {
    const name = repositoryKey(repository);
    this.#update(repository, { [what]: this.countsOf(name)[what] + 1 });
    if (what === 'hits') this.#listener.countsChanged(repository);
    else this.#listener.statusChanged(repository);
  }

  #update(repository: RepositoryId, change: Partial<Counts>): void {
    const name = repositoryKey(repository);
    this.#counts.set(name, { ...this.countsOf(name), ...change });
  }

  #changed(repository: RepositoryId): void {
    this.#listener.statusChanged(repository);
  }
}

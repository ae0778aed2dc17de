import { now } from '../async/clock.js';
import { withDeadline } from '../async/deadline.js';
import { type Failure, remembered } from '../async/failure-cache.js';
import { KeyedLimit } from '../async/keyed-limit.js';
import { Load, type LoadCounts } from '../async/load.js';
import { allowedHosts, redirectBases, upstreamUrl } from '../config/hosts.js';
import { type ServiceConfig, workLimits } from '../config/options.js';
import { limitExceeded, SnapshotError, toSnapshotError } from '../errors.js';
import type { Job as ReportedJob } from '../events/job.js';
import type { IngestedPack } from '../pack/ingest.js';
import type { RepositoryId } from '../repository.js';
import { UpstreamCredentials } from '../upstream/credentials.js';
import type { FetchProgress } from '../upstream/fetch-progress.js';
import { type HostOutage, HostOutages } from '../upstream/host-outages.js';
import { HostPauses } from '../upstream/host-pauses.js';
import type { UpstreamTask } from '../upstream/task.js';
import { WorkerPool } from '../workers/pool.js';
import { threadScript } from '../workers/start-thread.js';
import type { ThreadCounts } from '../workers/thread-counts.js';
import type { SurveyedMirror } from './disk/survey.js';
import type { Job, JobResult } from './jobs/worker.js';

/** A thread that has read more objects is ended: while idle it would keep 46 bytes for each. */
const MANY_OBJECTS = 1_000_000;
/** The same for refs, which take about 200 bytes each until the thread collects its garbage. */
const MANY_REFS = 100_000;
/** Bytes of a pack that a clone must get within each `fetchTimeout`; then it may take any time. */
const MILESTONE_BYTES = 256 * 1024 * 1024;

export interface JobOptions {
  /** Told when the job begins to wait, gets its turn, and makes progress. */
  readonly job?: Pick<ReportedJob, 'queue' | 'start' | 'progress'>;
  readonly signal: AbortSignal;
  /** Then the job takes no slot: its caller limits how many such jobs run. */
  readonly isBackground?: boolean;
}

/** By the slots that jobs share. */
type Slots = 'clones' | 'fetches' | 'queries' | 'repacks';
export type MirrorLoads = Readonly<Record<Slots, LoadCounts>>;

/** Jobs on one mirror each. */
type JobKind = Exclude<Job['kind'], 'survey'>;

const SLOTS: Readonly<Record<JobKind, Slots>> = {
  clone: 'clones',
  fetch: 'fetches',
  check: 'fetches',
  query: 'queries',
  connectivity: 'repacks',
  repack: 'repacks',
};

/**
 * Runs jobs on mirrors in worker threads. Concurrency limits are per host, so that a huge or
 * hostile repository delays no other host. After a `Retry-After`, a host gets no check and no fetch
 * before that time. Clones are allowed: without a mirror there may be nothing to serve.
 */
export class JobRunner {
  readonly #config: ServiceConfig;
  readonly #pool: WorkerPool<Job, FetchProgress, JobResult>;
  readonly #slots: Readonly<Record<Slots, KeyedLimit>>;
  readonly #loads = {
    clones: new Load(),
    fetches: new Load(),
    queries: new Load(),
    repacks: new Load(),
  };
  readonly #pauses = new HostPauses();
  readonly #outages = new HostOutages();
  readonly #credentials: UpstreamCredentials;

  constructor(config: ServiceConfig) {
    this.#config = config;
    this.#credentials = new UpstreamCredentials(config);
    const { clonesPerHost, fetchesPerHost } = config.concurrency;
    this.#slots = {
      clones: new KeyedLimit(clonesPerHost),
      fetches: new KeyedLimit(fetchesPerHost),
      queries: new KeyedLimit(fetchesPerHost),
      repacks: new KeyedLimit(1),
    };
    this.#pool = new WorkerPool(threadScript('mirror'), clonesPerHost + 1, keepsThread);
  }

  async upstreamTask(repository: RepositoryId, signal: AbortSignal): Promise<UpstreamTask> {
    return {
      repository,
      upstreamUrl: upstreamUrl(this.#config, repository),
      hosts: allowedHosts(this.#config),
      redirectBases: redirectBases(this.#config, repository),
      authorization: await this.#authorization(repository, signal),
      userAgent: this.#config.userAgent,
      timeouts: this.#config.timeouts,
      limits: workLimits(this.#config),
    };
  }

  /** Credentials that don't come in time count as an upstream that does not answer. */
  async #authorization(repository: RepositoryId, signal: AbortSignal): Promise<string | undefined> {
    const { refsTimeout } = this.#config.timeouts;
    const ask = (ends: AbortSignal) => this.#credentials.authorization(repository, ends);
    return await withDeadline(refsTimeout, signal, ask, (cause) => {
      const message = `the credentials did not come within ${refsTimeout} ms`;
      return new SnapshotError('UPSTREAM_TIMEOUT', message, { cause });
    });
  }

  /**
   * Waits for a free slot, then runs a job.
   *
   * @param prepare makes the job. Its time counts as time of the job.
   * @throws SnapshotError the failure of the job, or the failure for which its host is paused;
   * `UPSTREAM_TIMEOUT` when `fetchTimeout` is over since the start or the last milestone;
   * `LIMIT_EXCEEDED` when a job without an upstream takes longer than `buildTimeout`.
   */
  async run<Kind extends JobKind>(
    repository: RepositoryId,
    kind: Kind,
    { signal, isBackground = false, job: reported }: JobOptions,
    prepare: (signal: AbortSignal) => Promise<Extract<Job, { kind: Kind }>>,
  ): Promise<Extract<JobResult, { kind: Kind }>> {
    const { buildTimeout, fetchTimeout } = this.#config.timeouts;
    const isLocal = kind !== 'clone' && kind !== 'fetch' && kind !== 'check';
    const timeout = isLocal ? buildTimeout : fetchTimeout;
    const work = async (ends: AbortSignal, renew: () => void) => {
      const isMilestone = milestones();
      const onEvent = (progress: FetchProgress) => {
        if (isMilestone(progress)) renew();
        reported?.progress(progress);
      };
      const job = await prepare(ends);
      const running = this.#pool.run(job, { signal: ends, onEvent });
      const hasCredentials = 'authorization' in job && job.authorization !== undefined;
      const result = await (hasCredentials
        ? this.#credentials.watch(repository, running)
        : running);
      if (isOfKind(result, kind)) return result;
      throw new SnapshotError('INTERNAL', `a ${kind} ended as a ${result.kind}`);
    };
    const run = async () => {
      signal.throwIfAborted();
      reported?.start();
      const pause = remembered(this.pauseOf(repository.host), now());
      if ((kind === 'check' || kind === 'fetch') && pause !== undefined) throw pause;
      const result = await withDeadline(timeout, signal, work, (cause) => {
        const message = `the ${kind} got no further for ${timeout} ms`;
        return isLocal
          ? limitExceeded('buildTimeout', message, { cause })
          : new SnapshotError('UPSTREAM_TIMEOUT', message, { cause });
      }).catch((error: unknown) => {
        this.#pauses.note(repository.host, error);
        if (!isLocal) this.#outages.failed(repository.host, error);
        throw SnapshotError.is(error) ? toSnapshotError(error, repository) : error;
      });
      if (!isLocal) this.#outages.succeeded(repository.host);
      return result;
    };
    reported?.queue();
    const slots = SLOTS[kind];
    return await this.#loads[slots].count(run, (begin) =>
      isBackground ? begin() : this.#slots[slots].run(repository.host, begin),
    );
  }

  /** Looks at mirrors after a start. The caller runs one such job at a time. */
  async survey(
    mirrors: readonly string[],
    signal: AbortSignal,
  ): Promise<readonly (SurveyedMirror | undefined)[]> {
    const result = await this.#pool.run({ kind: 'survey', mirrors }, { signal });
    if (result.kind === 'survey') return result.mirrors;
    throw new SnapshotError('INTERNAL', `a survey ended as a ${result.kind}`);
  }

  /** The jobs that run, and that wait for a slot. */
  loads(): MirrorLoads {
    const { clones, fetches, queries, repacks } = this.#loads;
    return {
      clones: clones.counts,
      fetches: fetches.counts,
      queries: queries.counts,
      repacks: repacks.counts,
    };
  }

  get threads(): ThreadCounts {
    return this.#pool.threads;
  }

  /** As `HostPauses.of`. */
  pauseOf(host: string): Failure | undefined {
    return this.#pauses.of(host);
  }

  /** The hosts that fail. */
  get outages(): HostOutage[] {
    return this.#outages.list();
  }

  /** As `WorkerPool.failedStarts`. */
  get failedStarts(): number {
    return this.#pool.failedStarts;
  }

  /** Ends all jobs. Idempotent. */
  async close(): Promise<void> {
    await this.#pool.close();
  }
}

/** Milestones are the start of a phase, and each `MILESTONE_BYTES`. */
function milestones(): (progress: FetchProgress) => boolean {
  let phase = '';
  let reached = 0;
  return (progress) => {
    if (progress.kind !== 'pack') return false;
    const isNext = progress.phase !== phase || progress.receivedBytes - reached >= MILESTONE_BYTES;
    if (isNext) ({ phase, receivedBytes: reached } = progress);
    return isNext;
  };
}

function isOfKind<Kind extends Job['kind']>(
  result: JobResult,
  kind: Kind,
): result is Extract<JobResult, { kind: Kind }> {
  return result.kind === kind;
}

function keepsThread(result: JobResult): boolean {
  // A failed import may have left memory or handles in use.
  if (result.kind === 'clone' && result.restoreFailure !== undefined) return false;
  if ('refCount' in result && result.refCount >= MANY_REFS) return false;
  return packsOf(result).every(({ objects }) => objects < MANY_OBJECTS);
}

function packsOf(result: JobResult): readonly IngestedPack[] {
  if (result.kind === 'clone') return [...result.restored, ...result.fetched];
  if (result.kind === 'fetch') return [...result.packs, ...result.pinnedPacks];
  return result.kind === 'repack' ? [...result.combined, ...result.pinned] : [];
}

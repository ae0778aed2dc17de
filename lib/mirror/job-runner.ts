import type { EventEmitter } from 'node:events';
import { unlessAborted } from '../async/abort.js';
import type { Time } from '../async/clock.js';
import { withDeadline } from '../async/deadline.js';
import { KeyedLimit } from '../async/keyed-limit.js';
import { allowedHosts, hostConfig, redirectBases, upstreamUrl } from '../config/hosts.js';
import { type ServiceConfig, workLimits } from '../config/options.js';
import { SnapshotError } from '../errors.js';
import type { SnapshotEvents } from '../events/events.js';
import type { IngestedPack } from '../pack/ingest.js';
import type { RepositoryId } from '../repository.js';
import type { FetchProgress } from '../upstream/fetch-pack.js';
import { HostPauses } from '../upstream/host-pauses.js';
import type { UpstreamTask } from '../upstream/task.js';
import { WorkerPool } from '../workers/pool.js';
import { threadScript } from '../workers/start-thread.js';
import type { Job, JobResult } from './jobs/worker.js';

/** A thread that has read more objects is ended: while idle it would keep 46 bytes for each. */
const MANY_OBJECTS = 1_000_000;
/** The same for refs, which take about 200 bytes each until the thread collects its garbage. */
const MANY_REFS = 100_000;
/** Bytes of a pack that a clone must get within each `fetchTimeout`; then it may take any time. */
const MILESTONE_BYTES = 256 * 1024 * 1024;

export interface JobOptions {
  readonly signal: AbortSignal;
  /** Then the job takes no slot: its caller limits how many such jobs run. */
  readonly isBackground?: boolean;
}

/**
 * Runs jobs on mirrors in worker threads. Concurrency limits are per host, so that a huge or
 * hostile repository delays no other host. After a `Retry-After`, a host gets no check and no fetch
 * before that time. Clones are allowed: without a mirror there may be nothing to serve.
 */
export class JobRunner {
  readonly #config: ServiceConfig;
  readonly #events: EventEmitter<SnapshotEvents>;
  readonly #pool: WorkerPool<Job, FetchProgress, JobResult>;
  readonly #slots: Record<Job['kind'], KeyedLimit>;
  readonly #pauses = new HostPauses();

  constructor(config: ServiceConfig, events: EventEmitter<SnapshotEvents>) {
    this.#config = config;
    this.#events = events;
    const { clonesPerHost, fetchesPerHost } = config.concurrency;
    const fetches = new KeyedLimit(fetchesPerHost);
    const maintenance = new KeyedLimit(1);
    this.#slots = {
      clone: new KeyedLimit(clonesPerHost),
      fetch: fetches,
      check: fetches,
      connectivity: maintenance,
      repack: maintenance,
      query: new KeyedLimit(fetchesPerHost),
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

  /**
   * Waits for a free slot, then runs a job.
   *
   * @param prepare makes the job. Its time counts as time of the job.
   * @throws SnapshotError the failure of the job, or the failure for which its host is paused;
   * `UPSTREAM_TIMEOUT` when `fetchTimeout` is over since the start or the last milestone;
   * `LIMIT_EXCEEDED` when a job without an upstream takes longer than `buildTimeout`.
   */
  async run<Kind extends Job['kind']>(
    repository: RepositoryId,
    kind: Kind,
    { signal, isBackground = false }: JobOptions,
    prepare: (signal: AbortSignal) => Promise<Extract<Job, { kind: Kind }>>,
  ): Promise<Extract<JobResult, { kind: Kind }>> {
    const { buildTimeout, fetchTimeout } = this.#config.timeouts;
    const isLocal = kind !== 'clone' && kind !== 'fetch' && kind !== 'check';
    const timeout = isLocal ? buildTimeout : fetchTimeout;
    const work = async (ends: AbortSignal, renew: () => void) => {
      const isMilestone = milestones();
      const onEvent = (progress: FetchProgress) => {
        if (isMilestone(progress)) renew();
        this.#events.emit('cloneProgress', { repository, progress });
      };
      const result = await this.#pool.run(await prepare(ends), { signal: ends, onEvent });
      if (isOfKind(result, kind)) return result;
      throw new SnapshotError('INTERNAL', `a ${kind} ended as a ${result.kind}`);
    };
    const run = async () => {
      signal.throwIfAborted();
      if (kind === 'check' || kind === 'fetch') this.#pauses.throwIfPaused(repository.host);
      return await withDeadline(timeout, signal, work, (cause) => {
        const message = `the ${kind} got no further for ${timeout} ms`;
        const code = isLocal ? 'LIMIT_EXCEEDED' : 'UPSTREAM_TIMEOUT';
        return new SnapshotError(code, message, { cause });
      }).catch((error: unknown) => {
        this.#pauses.note(repository.host, error);
        throw error;
      });
    };
    return await (isBackground ? run() : this.#slots[kind].run(repository.host, run));
  }

  /** As `HostPauses.until`. */
  pausedUntil(host: string): Time {
    return this.#pauses.until(host);
  }

  /** Ends all jobs. Idempotent. */
  async close(): Promise<void> {
    await this.#pool.close();
  }

  async #authorization(repository: RepositoryId, signal: AbortSignal): Promise<string | undefined> {
    const { credentials } = hostConfig(this.#config, repository);
    const given = await unlessAborted(Promise.resolve(credentials?.(repository)), signal);
    if (given === undefined) return undefined;
    const { username, password } = given;
    return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
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

import type { EventEmitter } from 'node:events';
import { unlessAborted } from '../async/abort.js';
import { withDeadline } from '../async/deadline.js';
import { Lanes } from '../async/keyed-limit.js';
import { deserializeError, SnapshotError } from '../errors.js';
import type { SnapshotEvents } from '../events.js';
import type { Limits, SnapshotConfig } from '../options.js';
import type { IngestedPack } from '../pack/ingest.js';
import type { RepositoryId } from '../repository/identity.js';
import { allowedHosts, hostConfig, redirectBases, upstreamUrl } from '../repository/policy.js';
import type { FetchProgress } from '../upstream/fetch-pack.js';
import { HostPauses } from '../upstream/host-pauses.js';
import type { UpstreamTask } from '../upstream/task.js';
import { WorkerPool } from '../workers/pool.js';
import type { Job, JobResult, Undiscovered } from './jobs/job.js';
import { milestones } from './milestones.js';

/** What a thread knew of more objects (46 bytes of each) would stay with it while it is idle. */
const MANY_OBJECTS = 1_000_000;
/** The same of refs, which take some 200 bytes each until the thread collects its garbage. */
const MANY_REFS = 100_000;
/** The lane of what asks no host. */
const LOCAL = '';

export interface JobOptions {
  readonly signal: AbortSignal;
  /** Nobody waits for it, and whoever wants it done sees to it that there are few of these: no turn. */
  readonly isBackground?: boolean;
}

/**
 * Runs jobs on mirrors in worker threads: so many clones of each host at once, so many questions to it, as
 * many to mirrors, and one that checks packs or puts them together. What nobody waits for takes no place
 * of theirs. A host that said when it may be asked again is asked about no mirror before that; what is not
 * mirrored is cloned all the same, as there is nothing to be served instead.
 */
export class JobRunner {
  readonly #config: SnapshotConfig;
  readonly #events: EventEmitter<SnapshotEvents>;
  readonly #pool: WorkerPool<Job, FetchProgress, JobResult | Undiscovered>;
  readonly #turns: Record<Job['kind'], Lanes>;
  readonly #pauses = new HostPauses();

  constructor(config: SnapshotConfig, events: EventEmitter<SnapshotEvents>) {
    this.#config = config;
    this.#events = events;
    const { concurrentClones, concurrentFetches } = config.limits;
    const fetches = new Lanes(concurrentFetches);
    const packs = new Lanes(1);
    this.#turns = {
      clone: new Lanes(concurrentClones),
      update: fetches,
      check: fetches,
      connectivity: packs,
      consolidate: packs,
      'look-up': new Lanes(concurrentFetches),
    };
    const script = new URL('./jobs/worker.js', import.meta.url);
    this.#pool = new WorkerPool(script, concurrentClones + 1, keepsThread);
  }

  /** What each task is told that asks the upstream of a repository. */
  async upstreamTask(repository: RepositoryId, signal: AbortSignal): Promise<UpstreamTask> {
    return {
      repository,
      upstreamUrl: upstreamUrl(this.#config, repository),
      hosts: allowedHosts(this.#config),
      redirectBases: redirectBases(this.#config, repository),
      authorization: await this.#authorization(repository, signal),
      userAgent: this.#config.userAgent,
      limits: this.#config.limits,
    };
  }

  /**
   * Waits for its turn, then runs a job.
   *
   * @param prepare makes the job, in time that counts.
   * @throws SnapshotError what the job failed with, or what its host did that is not to be asked yet;
   *   `cloneTimeout` after it began or reached its last milestone, `UPSTREAM_TIMEOUT`, or `LIMIT_EXCEEDED` of a job
   *   that asks no upstream.
   */
  async run<Kind extends Job['kind']>(
    repository: RepositoryId,
    kind: Kind,
    { signal, isBackground = false }: JobOptions,
    prepare: (signal: AbortSignal, limits: Limits) => Promise<Extract<Job, { kind: Kind }>>,
  ): Promise<Extract<JobResult, { kind: Kind }>> {
    const { limits } = this.#config;
    const { cloneTimeout } = limits;
    const isLocal = kind !== 'clone' && kind !== 'update' && kind !== 'check';
    const work = async (ends: AbortSignal, renew: () => void) => {
      const isMilestone = milestones();
      const onEvent = (progress: FetchProgress) => {
        if (isMilestone(progress)) renew();
        this.#events.emit('cloneProgress', { repository, progress });
      };
      const result = await this.#pool.run(await prepare(ends, limits), { signal: ends, onEvent });
      if (result.kind === 'undiscovered') throw deserializeError(result.error);
      if (isOfKind(result, kind)) return result;
      throw new SnapshotError('INTERNAL', `a ${kind} ended as a ${result.kind}`);
    };
    const run = async () => {
      signal.throwIfAborted();
      if (kind === 'check' || kind === 'update') this.#pauses.throwIfPaused(repository.host);
      return await withDeadline(cloneTimeout, signal, work, (cause) => {
        const message = `the ${kind} got no further for ${cloneTimeout} ms`;
        const code = isLocal ? 'LIMIT_EXCEEDED' : 'UPSTREAM_TIMEOUT';
        return new SnapshotError(code, message, { cause });
      }).catch((error: unknown) => {
        this.#pauses.note(repository.host, error);
        throw error;
      });
    };
    if (isBackground) return await run();
    return await this.#turns[kind].run(isLocal ? LOCAL : repository.host, run);
  }

  /** When a host may be asked about mirrors again: by `performance.now()`. */
  pausedUntil(host: string): number {
    return this.#pauses.until(host);
  }

  /** Ends all jobs. Idempotent. */
  async close(): Promise<void> {
    await this.#pool.close();
  }

  async #authorization(repository: RepositoryId, signal: AbortSignal): Promise<string | undefined> {
    const { credentials } = hostConfig(this.#config, repository);
    if (credentials === undefined) return undefined;
    const given = await unlessAborted(Promise.resolve(credentials(repository)), signal);
    if (given === undefined) return undefined;
    const { username, password } = given;
    return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  }
}

function isOfKind<Kind extends Job['kind']>(
  result: JobResult,
  kind: Kind,
): result is Extract<JobResult, { kind: Kind }> {
  return result.kind === kind;
}

function keepsThread(result: JobResult | Undiscovered): boolean {
  // What failed in it may have left something behind.
  if (result.kind === 'clone' && result.restoreFailure !== undefined) return false;
  if ('refCount' in result && result.refCount >= MANY_REFS) return false;
  return packsOf(result).every(({ objects }) => objects < MANY_OBJECTS);
}

function packsOf(result: JobResult | Undiscovered): readonly IngestedPack[] {
  switch (result.kind) {
    case 'clone':
      return [...result.restored, ...result.fetched];
    case 'update':
      return [...result.packs, ...result.pinnedPacks];
    case 'consolidate':
      return [result.combined ?? [], result.pinned ?? []].flat();
    default:
      return [];
  }
}

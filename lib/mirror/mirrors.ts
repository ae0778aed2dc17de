import { join } from 'node:path';
import { type Failure, FailureCache } from '../async/failure-cache.js';
import { retry } from '../async/retry.js';
import { SingleFlight } from '../async/single-flight.js';
import { type ServiceConfig, workLimits } from '../config/options.js';
import { SnapshotError } from '../errors.js';
import type { SnapshotEmitter } from '../events/emitter.js';
import { type RepositoryId, repositoryKey } from '../repository.js';
import type { Evictable } from '../stores/evictable.js';
import type { HostOutage } from '../upstream/host-outages.js';
import type { ThreadCounts } from '../workers/thread-counts.js';
import { type CloneParts, clone, type StoredSnapshots } from './clone-mirror.js';
import { inspectMirror } from './disk/integrity.js';
import { writeLastUsed } from './disk/last-used.js';
import { type FoundMirror, MirrorDirectory } from './disk/mirror-directory.js';
import { MAX_ATTEMPTS, type RevisionOnDisk } from './disk/revision.js';
import { DiskRoom } from './disk-room.js';
import { Fetcher, type FetchOptions, type FetchOutcome } from './fetch-mirror.js';
import { type JobOptions, JobRunner, type MirrorLoads } from './job-runner.js';
import type { MirrorQuery, QueryResult } from './jobs/query.js';
import { KnownMirrors } from './known-mirrors.js';
import { Maintenance, type MaintenanceParts } from './maintenance.js';
import type { Mirror, MirrorLease } from './mirror.js';
import { MirrorScan } from './mirror-scan.js';

/** Milliseconds between writes of a mirror's last use. */
const LAST_USED_INTERVAL = 60_000;

export interface MirrorManagerOptions
  extends Pick<MaintenanceParts, 'onPruned' | 'onIncomplete' | 'closing'> {
  readonly snapshots: StoredSnapshots;
  /** Called for each mirror that is found on disk after a start. */
  readonly onFound: (mirror: Mirror) => void;
  /** What the default store keeps on the disk. */
  readonly storedObjects: () => Promise<Evictable[]>;
  /** Bytes of all mirrors. */
  readonly maxBytes: number;
}

export interface LeaseOptions extends Pick<JobOptions, 'isBackground'> {
  /** Called when the mirror is cloned for this lease. */
  onClone?: () => void;
}

/** The mirrors below one directory, which other processes may use at the same time. */
export class MirrorManager {
  readonly room: DiskRoom;
  readonly #directory: MirrorDirectory;
  readonly #mirrors: KnownMirrors;
  readonly #parts: CloneParts;
  readonly #maintenance: Maintenance;
  readonly #fetcher: Fetcher;
  readonly #cleanups = new SingleFlight<void>();
  readonly #scan: MirrorScan;
  readonly #onFound: (mirror: Mirror) => void;

  constructor(
    config: ServiceConfig,
    events: SnapshotEmitter,
    { snapshots, onFound, storedObjects, maxBytes, ...options }: MirrorManagerOptions,
  ) {
    const { dataDir, freshness, timeouts } = config;
    const directory = new MirrorDirectory(join(dataDir, 'mirrors'), (repository, error) => {
      events.emit('mirrorCorrupted', { repository, error });
    });
    const onRelease = (mirror: Mirror) => {
      this.#cleanUp(mirror.repository);
      this.#maintenance.checkConnectivity(mirror);
    };
    const mirrors = new KnownMirrors({ directory, events, maxBytes, onRelease });
    const jobs = new JobRunner(config);
    const failures = new FailureCache(freshness.negativeCacheTtl);
    this.#directory = directory;
    this.#mirrors = mirrors;
    const limits = workLimits(config);
    const { idleTimeout } = timeouts;
    this.room = new DiskRoom(dataDir, async () => {
      await this.#scan.finish();
      return [...mirrors.evictables(), ...(await storedObjects())];
    });
    this.#parts = { jobs, events, failures, limits, idleTimeout, snapshots, room: this.room };
    this.#maintenance = new Maintenance({ ...this.#parts, mirrors, ...options });
    this.#fetcher = new Fetcher({ mirrors, jobs, maintenance: this.#maintenance });
    this.#onFound = onFound;
    this.#scan = new MirrorScan({
      directory,
      mirrors,
      jobs,
      events,
      closing: options.closing,
      onFound: (mirror) => {
        onFound(mirror);
        this.#maintenance.checkConnectivity(mirror);
      },
    });
  }

  /**
   * Creates the directory, and removes leftovers of crashed processes. The mirrors are found in the
   * background, for evictions and refreshes: a mirror that is requested before is opened at once.
   */
  async start(): Promise<void> {
    this.#scan.begin(await this.#directory.prepare());
  }

  /** Resolves when all mirrors were found, or the service closes. */
  async scanned(): Promise<void> {
    await this.#scan.finish();
  }

  /**
   * The repository's mirror, if there is one. After a start, this process may not know it yet.
   *
   * @throws SnapshotError when it can't be read at the moment; the signal's reason.
   */
  async open(repository: RepositoryId, signal: AbortSignal): Promise<Mirror | undefined> {
    const known = this.find(repository);
    if (known?.state === 'ready' || this.#scan.isDone) return known;
    await this.#mirrors.evictionEnded(repository, signal);
    const mirror = this.#mirrors.obtain(repository);
    const find = () => this.#directory.find(mirror.directory);
    const ready = mirror.use(() => mirror.ensureReady(find));
    const revision = await ready.finally(() => this.#mirrors.forgetIfEmpty(mirror));
    if (revision === undefined) return undefined;
    this.#onFound(mirror);
    return mirror;
  }

  /** The repository's mirror, if this process knows it. */
  find(repository: RepositoryId): Mirror | undefined {
    return this.#mirrors.find(repository);
  }

  list(): Mirror[] {
    return this.#mirrors.list();
  }

  /** The jobs on mirrors that run, and that wait. */
  loads(): MirrorLoads {
    return this.#parts.jobs.loads();
  }

  get threads(): ThreadCounts {
    return this.#parts.jobs.threads;
  }

  /** As `JobRunner.failedStarts`. */
  get failedStarts(): number {
    return this.#parts.jobs.failedStarts;
  }

  /** The hosts that fail. */
  get outages(): HostOutage[] {
    return this.#parts.jobs.outages;
  }

  /** The failure for which checks of a host and fetches from it are or were paused. */
  pauseOf(host: string): Failure | undefined {
    return this.#parts.jobs.pauseOf(host);
  }

  /** Notes that a client has requested the repository: `keepBudget` evicts other mirrors first. */
  async touch(repository: RepositoryId, signal: AbortSignal): Promise<void> {
    const mirror = await this.open(repository, signal);
    if (mirror === undefined) return;
    mirror.usedAt = Date.now();
    if (mirror.usedAt - mirror.writtenUsedAt < LAST_USED_INTERVAL) return;
    mirror.writtenUsedAt = mirror.usedAt;
    await writeLastUsed(mirror.directory, new Date(mirror.usedAt));
  }

  /**
   * Leases the repository's mirror. Finds it on disk or clones it, if needed.
   *
   * @param signal ends the clone for all callers that wait for it: so not the signal of one client.
   * @throws SnapshotError `UPSTREAM_*`, `REPOSITORY_UNSUPPORTED`, `LIMIT_EXCEEDED`, `STORAGE_FULL`.
   */
  async lease(
    repository: RepositoryId,
    signal: AbortSignal,
    { onClone = () => {}, ...job }: LeaseOptions = {},
  ): Promise<MirrorLease> {
    const attempt = async () => {
      await this.#mirrors.evictionEnded(repository, signal);
      const mirror = this.#mirrors.obtain(repository);
      return await mirror.use(async () => {
        const clone = () => this.#findOrClone(mirror, { ...job, signal }, onClone);
        await mirror.ensureReady(clone).finally(() => this.#mirrors.forgetIfEmpty(mirror));
        return await this.#mirrors.lease(mirror);
      });
    };
    return await retry(MAX_ATTEMPTS, attempt, keepsVanishing);
  }

  /** As `KnownMirrors.keep`. The returned function also evicts mirrors beyond the budget. */
  keep(repository: RepositoryId): () => void {
    const end = this.#mirrors.keep(repository);
    return () => {
      end();
      this.#cleanUp(repository);
    };
  }

  /**
   * Brings the repository's mirror up to date. Without a mirror, only checks the upstream, which
   * can't tell whether it has a commit or other refs: for these, clones first.
   *
   * @throws SnapshotError as `lease`.
   */
  async fetch(
    repository: RepositoryId,
    signal: AbortSignal,
    options: FetchOptions = {},
  ): Promise<FetchOutcome> {
    const { commit, otherRefs = [] } = options;
    const needsMirror = commit !== undefined || otherRefs.length > 0;
    const attempt = async () => {
      await this.#mirrors.evictionEnded(repository, signal);
      const mirror = this.find(repository);
      if (mirror?.state === 'ready') {
        const outcome = await this.#fetcher.fetch(mirror, { ...options, signal });
        if (outcome !== 'gone') return outcome;
      }
      if (!needsMirror) return await this.#fetcher.check(repository, { ...options, signal });
      // The fetch waits for evictions, and an eviction waits for the lease.
      (await this.lease(repository, signal, options)).release();
      return undefined;
    };
    const endKeep = this.keep(repository);
    const fetch = () => retry(MAX_ATTEMPTS, attempt, keepsVanishing);
    return await this.room.retry(fetch).finally(endKeep);
  }

  /** @param unwanted if it aborts before the query begins, the query fails with its reason. */
  async query(
    { directory, revision }: MirrorLease,
    query: MirrorQuery,
    signal: AbortSignal,
    unwanted?: AbortSignal,
  ): Promise<QueryResult> {
    const { jobs, limits } = this.#parts;
    return await jobs.run(revision.repository, 'query', { signal }, async () => {
      unwanted?.throwIfAborted();
      return { kind: 'query', mirror: directory, revision, ...query, limits };
    });
  }

  /** As `KnownMirrors.evict`. */
  async evict(repository: RepositoryId, signal: AbortSignal): Promise<void> {
    await this.#mirrors.evict(repository, signal);
  }

  /** As `KnownMirrors.discardIfDamaged`. */
  async discardIfDamaged(read: RevisionOnDisk, error: unknown): Promise<boolean> {
    return await this.#mirrors.discardIfDamaged(read, error);
  }

  /** Lets the next clone be tried, although the last one has failed. */
  forgetFailure(repository: RepositoryId): void {
    this.#parts.failures.forget(repositoryKey(repository));
  }

  /** Ends all jobs and waits for all work. Abort the closing signal before. Idempotent. */
  async close(): Promise<void> {
    await this.#scan.finish();
    await this.#maintenance.settled();
    await this.#parts.jobs.close();
    await this.#cleanups.settled();
  }

  async #findOrClone(mirror: Mirror, job: JobOptions, onClone: () => void): Promise<FoundMirror> {
    const found = await this.#directory.find(mirror.directory);
    if (found !== undefined) return found;
    onClone();
    const revision = await clone(this.#parts, mirror, job);
    return { revision, bytes: await inspectMirror(mirror.directory, revision) };
  }

  /** Evicts mirrors beyond the budget, when all are known: others may be the least recently used. */
  async #keepBudget(): Promise<void> {
    if (!this.#mirrors.isOverBudget) return;
    await this.#scan.finish();
    if (this.#scan.isDone) await this.#mirrors.keepBudget();
  }

  /** Removes files without readers, and mirrors beyond the budget. */
  #cleanUp(repository: RepositoryId): void {
    const cleanUp = async () => {
      await this.find(repository)?.collectGarbage();
      await this.#keepBudget();
    };
    // After a failure, the cleanup after the next lease or start makes up for it.
    void this.#cleanups.joinNext(repositoryKey(repository), () => cleanUp().catch(() => {}));
  }
}

/** The error when the mirror was evicted during each attempt. */
export function keepsVanishing(cause?: unknown): SnapshotError {
  return new SnapshotError('INTERNAL', 'the mirror keeps vanishing', { cause });
}

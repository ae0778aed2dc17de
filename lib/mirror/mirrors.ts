import type { EventEmitter } from 'node:events';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { FailureCache } from '../async/failure-cache.js';
import { retry } from '../async/retry.js';
import { SingleFlight } from '../async/single-flight.js';
import type { SnapshotConfig } from '../config/options.js';
import { SnapshotError, toSnapshotError } from '../errors.js';
import type { SnapshotEvents } from '../events/events.js';
import type { RepositoryId } from '../repository.js';
import { Cloner, type StoredSnapshots } from './clone-mirror.js';
import { collectGarbage } from './collect-garbage.js';
import { inspectMirror } from './disk/integrity.js';
import { writeLastUsed } from './disk/last-used.js';
import { MirrorDirectory } from './disk/mirror-directory.js';
import type { MirrorRevision, RevisionOnDisk } from './disk/revision.js';
import { Evictions } from './evictions.js';
import { Fetcher, type FetchOptions, type FetchOutcome } from './fetch-mirror.js';
import { type JobOptions, JobRunner } from './job-runner.js';
import type { MirrorQuery, QueryResult } from './jobs/query.js';
import { KnownMirrors } from './known-mirrors.js';
import { Maintenance, type MaintenanceParts } from './maintenance.js';
import type { Mirror, MirrorLease } from './mirror.js';

/** Another process may evict a mirror each time that it was found or cloned. */
const MAX_ATTEMPTS = 5;
/** Mirrors that are inspected at once when the service starts. */
const CONCURRENT_INSPECTIONS = 8;
/** Milliseconds between writes of a mirror's last use. */
const LAST_USED_INTERVAL = 60_000;

export interface MirrorManagerOptions
  extends Pick<MaintenanceParts, 'onPruned' | 'onIncomplete' | 'closing'> {
  readonly snapshots: StoredSnapshots;
}

export interface LeaseOptions {
  /** Called when the mirror is cloned for this lease. */
  onClone?: () => void;
  /** Whether no client waits for it: see `JobOptions`. */
  isBackground?: boolean;
}

/**
 * The mirrors below one directory. Finds or clones them, brings them up to date, maintains them,
 * and keeps them within a budget. Other processes may use the directory at the same time.
 */
export class MirrorManager {
  readonly #directory: MirrorDirectory;
  readonly #events: EventEmitter<SnapshotEvents>;
  readonly #jobs: JobRunner;
  readonly #mirrors: KnownMirrors;
  readonly #cloner: Cloner;
  readonly #maintenance: Maintenance;
  readonly #fetcher: Fetcher;
  readonly #evictions: Evictions;
  /** By the directory of a mirror. */
  readonly #cleanups = new SingleFlight<void>();

  /** @param closing ends maintenance when the service is closed. */
  constructor(
    config: SnapshotConfig,
    events: EventEmitter<SnapshotEvents>,
    { snapshots, ...options }: MirrorManagerOptions,
  ) {
    const { maxMirrorBytes: maxBytes, maxPackBytes, failureMemory, stallTimeout } = config.limits;
    const directory = new MirrorDirectory(join(config.dataDir, 'mirrors'), (repository, error) => {
      events.emit('mirrorBroken', { repository, error });
    });
    const onRelease = (mirror: Mirror) => this.#onRelease(mirror);
    const mirrors = new KnownMirrors({ directory, events, onRelease });
    const jobs = new JobRunner(config, events);
    const failures = new FailureCache(failureMemory);
    const parts = { mirrors, jobs, events, failures, directory };
    this.#directory = directory;
    this.#events = events;
    this.#jobs = jobs;
    this.#mirrors = mirrors;
    this.#cloner = new Cloner({ ...parts, snapshots, stallTimeout });
    this.#maintenance = new Maintenance({ ...parts, maxPackBytes, ...options });
    this.#fetcher = new Fetcher({ ...parts, maintenance: this.#maintenance });
    this.#evictions = new Evictions({ ...parts, maxBytes });
  }

  /** Creates the directory, removes what crashed processes left in it, and finds its mirrors. */
  async start(): Promise<void> {
    await this.#directory.prepare();
    const limit = pLimit(CONCURRENT_INSPECTIONS);
    const paths = await this.#directory.paths();
    // A mirror that can't be read or removed at the moment must not affect the others.
    const onFailure = (cause: unknown) => {
      const error = toSnapshotError(cause);
      this.#events.emit('mirrorBroken', { repository: undefined, error });
    };
    await Promise.all(paths.map((path) => limit(() => this.#recover(path).catch(onFailure))));
    await this.#evictions.keepBudget().catch(onFailure);
  }

  /** The repository's mirror, if this process knows it. */
  find(repository: RepositoryId): Mirror | undefined {
    return this.#mirrors.find(repository);
  }

  /** All mirrors that this process knows. */
  list(): Mirror[] {
    return this.#mirrors.list();
  }

  /** When a host may be asked again for a check or fetch: by `performance.now()`. */
  pausedUntil(host: string): number {
    return this.#jobs.pausedUntil(host);
  }

  /** Takes note that a client asks for the repository, so that its mirror is evicted later. */
  async touch(repository: RepositoryId): Promise<void> {
    const mirror = this.find(repository);
    if (mirror === undefined) return;
    mirror.usedAt = Date.now();
    if (mirror.usedAt - mirror.writtenUsedAt < LAST_USED_INTERVAL) return;
    mirror.writtenUsedAt = mirror.usedAt;
    await writeLastUsed(mirror.directory, new Date(mirror.usedAt));
  }

  /**
   * Leases the repository's mirror, which is found on disk or cloned.
   *
   * @param signal ends the clone, also for all other callers that wait for it. Only the owner of
   * the build may abort it.
   * @throws SnapshotError `UPSTREAM_*`, `REPOSITORY_UNSUPPORTED`, `LIMIT_EXCEEDED`, `STORAGE_FULL`.
   */
  async lease(
    repository: RepositoryId,
    signal: AbortSignal,
    { onClone = () => {}, isBackground = false }: LeaseOptions = {},
  ): Promise<MirrorLease> {
    return await retry(
      MAX_ATTEMPTS,
      async () => {
        await this.#evictions.finished(repository, signal);
        const mirror = this.#mirrors.obtain(repository);
        return await mirror.use(async () => {
          try {
            await mirror.ensureReady(() =>
              this.#findOrClone(mirror, { signal, isBackground }, onClone),
            );
          } finally {
            this.#mirrors.forgetIfEmpty(mirror);
          }
          return await this.#mirrors.lease(mirror);
        });
      },
      () => new SnapshotError('INTERNAL', 'the mirror keeps vanishing'),
    );
  }

  /**
   * Brings the repository's mirror up to date; without a mirror, only checks the upstream. Sets the
   * mirror aside if it turns out to be damaged.
   *
   * @throws SnapshotError as `lease`.
   */
  async fetch(
    repository: RepositoryId,
    signal: AbortSignal,
    options: FetchOptions = {},
  ): Promise<FetchOutcome> {
    await this.#evictions.finished(repository, signal);
    const mirror = this.find(repository);
    if (mirror?.state === 'ready') {
      const outcome = await this.#fetcher.fetch(mirror, signal, options);
      if (outcome !== undefined) return outcome;
    }
    return await this.#fetcher.check(repository, signal, options);
  }

  /** Looks for refs, commits and objects in a mirror. */
  async query(
    { directory, revision }: MirrorLease,
    query: MirrorQuery,
    signal: AbortSignal,
  ): Promise<QueryResult> {
    return await this.#jobs.run(revision.repository, 'query', { signal }, async (_, limits) => {
      return { kind: 'query', mirror: directory, revision, ...query, limits };
    });
  }

  /**
   * Removes the repository's mirror when it is no longer in use. Later callers get a new mirror.
   *
   * @throws the signal's reason.
   */
  async evict(repository: RepositoryId, signal: AbortSignal): Promise<void> {
    await this.#evictions.evict(repository, signal);
  }

  /** As `KnownMirrors.setAsideIfDamaged`. */
  async setAsideIfDamaged(read: RevisionOnDisk, error: unknown): Promise<boolean> {
    return await this.#mirrors.setAsideIfDamaged(read, error);
  }

  /** Ends all jobs and waits for all work. The closing signal must be aborted before. Idempotent. */
  async close(): Promise<void> {
    await this.#maintenance.settled();
    await this.#jobs.close();
    await this.#cleanups.settled();
  }

  async #recover(path: string): Promise<void> {
    const found = await this.#directory.recover(path);
    // A request may have found the mirror already.
    if (found === undefined || this.find(found.revision.repository) !== undefined) return;
    const mirror = this.#mirrors.obtain(found.revision.repository);
    mirror.usedAt = found.usedAt;
    mirror.writtenUsedAt = found.usedAt;
    mirror.bytes = found.bytes;
    await mirror.ensureReady(async () => found.revision);
    this.#maintenance.checkConnectivity(mirror);
  }

  async #findOrClone(
    mirror: Mirror,
    options: JobOptions,
    onClone: () => void,
  ): Promise<MirrorRevision> {
    const found = await this.#directory.find(mirror.directory);
    if (found !== undefined) {
      mirror.bytes = found.bytes;
      return found.revision;
    }
    onClone();
    const revision = await this.#cloner.clone(mirror, options);
    mirror.bytes = await inspectMirror(mirror.directory, revision);
    return revision;
  }

  #onRelease(mirror: Mirror): void {
    const { repository, directory } = mirror;
    // If a cleanup fails, the one after the next lease, or the next start, makes up for it.
    void this.#cleanups.joinNext(directory, () => this.#cleanUp(repository).catch(() => {}));
    this.#maintenance.checkConnectivity(mirror);
  }

  async #cleanUp(repository: RepositoryId): Promise<void> {
    const mirror = this.find(repository);
    if (mirror !== undefined) await collectGarbage(mirror);
    await this.#evictions.keepBudget();
  }
}

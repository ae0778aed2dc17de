import type { ArtifactId, StoredArtifact } from '../artifact/artifact.js';
import { artifactKey, isVariant } from '../artifact/key.js';
import { FailureCache } from '../async/failure-cache.js';
import { KeyedLimit } from '../async/keyed-limit.js';
import { Schedule } from '../async/schedule.js';
import type { FreshnessPolicy, SnapshotConfig } from '../config/options.js';
import { SnapshotError, toSnapshotError } from '../errors.js';
import { type RepositoryId, repositoryKey, repositoryOf } from '../repository.js';
import { isNotFound } from '../writer/write-context.js';
import type { Builds } from './builds.js';
import type { Found, StoredArtifacts } from './stored-artifacts.js';
import type { UpstreamChecks } from './upstream-checks.js';

/** Part of an interval: those of many repositories do not end all at once. */
const JITTER = 0.2;
const MAX_ATTEMPTS = 5;
/** Artifacts of one host that are renewed at once: a huge one does not delay all others. */
const CONCURRENT_REBUILDS = 4;

/**
 * Keeps what is stored up to date while nobody waits for it: few artifacts of each host at a time, in
 * queues of their own, so that no request has to wait for one of these.
 */
export class Refresher {
  readonly #policy: FreshnessPolicy;
  readonly #checks: UpstreamChecks;
  readonly #builds: Builds;
  readonly #stored: StoredArtifacts;
  readonly #queue = new KeyedLimit(CONCURRENT_REBUILDS);
  /** By key of the artifact. */
  readonly #queued = new Map<string, Promise<void>>();
  /** What could not be generated is not tried again at each hit. */
  readonly #failures: FailureCache;
  /** Repositories that clients use. */
  readonly #intervals = new Schedule<RepositoryId>((repository) => this.#warm(repository));
  /** Repositories that somebody pushed to, or that their upstream refused. */
  readonly #pushes = new Schedule<RepositoryId>((repository) => {
    if (this.#checks.isThrottled(repository)) this.pushed(repository);
    else this.checkSoon(repository, Date.now());
  });
  /** Builds that wait until `minRebuildInterval` is over. */
  readonly #later = new Schedule<() => void>((build) => build());
  #isStopped = false;

  constructor(
    config: SnapshotConfig,
    checks: UpstreamChecks,
    builds: Builds,
    stored: StoredArtifacts,
  ) {
    this.#policy = config.freshness;
    this.#checks = checks;
    this.#builds = builds;
    this.#stored = stored;
    this.#failures = new FailureCache(config.limits.failureMemory);
  }

  /** Has a repository that a client asked for refreshed by itself from now on, if the policy says so. */
  keepWarm(id: RepositoryId): void {
    const repository = repositoryOf(id);
    const { refreshInterval } = this.#policy;
    const key = repositoryKey(repository);
    if (refreshInterval === undefined || this.#intervals.has(key)) return;
    const jitter = 1 + JITTER * (2 * Math.random() - 1);
    this.#intervals.add(key, repository, performance.now() + refreshInterval * jitter);
  }

  /**
   * Has the upstream asked, and what is stored renewed: the default snapshot, and `id`.
   *
   * @param since as `UpstreamChecks.checkInBackground`.
   */
  checkSoon(id: ArtifactId, since?: number): void {
    if (this.#isStopped) return;
    const repository = repositoryOf(id);
    const then = async (isAnswered: boolean) => {
      if (!isAnswered && since !== undefined) return this.pushed(repository);
      this.rebuildSoon(repository);
      this.rebuildSoon(id);
    };
    const key = `${since === undefined ? 'due' : 'since'} ${artifactKey(id)}`;
    const check = this.#checks.checkInBackground(repository, key, then, since);
    // What can still fail is a listener of the host's.
    check.catch(() => {});
  }

  /** The same, as soon as the upstream may be asked again. */
  pushed(repository: RepositoryId): void {
    this.checkAt(repository, this.#checks.mayBeAskedAt(repository));
  }

  /** The same at a time, by `performance.now()`, or as soon after that as the upstream may be asked. */
  checkAt(repository: RepositoryId, time: number): void {
    this.#pushes.add(repositoryKey(repository), repository, time);
  }

  /** Has an artifact generated anew, if what is stored is not current any more, as soon as the policy allows. */
  rebuildSoon(id: ArtifactId): void {
    const key = artifactKey(id);
    if (this.#isStopped || this.#queued.has(key) || this.#later.has(key)) return;
    if (this.#failures.has(key)) return;
    const done = this.#queue
      .run(id.host, () => this.#rebuild(id))
      .finally(() => this.#queued.delete(key));
    this.#queued.set(key, done);
  }

  /**
   * Asks the upstream now, and brings the default snapshot up to date.
   *
   * @throws SnapshotError
   */
  async refresh(repository: RepositoryId): Promise<StoredArtifact> {
    const askedAt = performance.now();
    let found = await this.#stored.stat(repository);
    if (found !== undefined || this.#checks.find(repository) !== undefined) {
      await this.#checks.check(repository);
    }
    this.#failures.forget(artifactKey(repository));
    const checkedAt = performance.now();
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      found = await this.#stored.stat(repository);
      const state = this.#checks.stateOf(repository);
      if (found !== undefined && this.#stored.isCurrent(repository, found, state)) {
        return found.artifact;
      }
      const generation = this.#builds.begin(repository, askedAt);
      await generation.outcome();
      const end = await generation.done;
      this.#checks.know(repository);
      if (end === 'not-stored') break;
      const isNew = generation.isSince(checkedAt, this.#checks.digestOf(repository));
      if (end === 'superseded' || !isNew) continue;
      found = await this.#stored.stat(repository);
      if (found !== undefined) return found.artifact;
      // It may be over the store's budget: then the next one would be as well.
      break;
    }
    throw new SnapshotError('STORE_FAILED', 'the store did not keep the snapshot');
  }

  /** Has what is stored generated anew although it is current: the packs hold less than before. */
  rebuildPruned(id: ArtifactId): void {
    this.#force(id, async () => {
      const found = await this.#stored.stat(id);
      if (found === undefined) return false;
      const isCurrent = this.#stored.isCurrent(id, found, this.#checks.stateOf(id));
      // It will be made of the pruned mirror.
      if (!isCurrent) this.rebuildSoon(id);
      return isCurrent && !this.#postpone(id, found, () => this.rebuildPruned(id));
    });
  }

  /** Has something generated, whatever is stored. */
  rebuildForced(id: ArtifactId): void {
    this.#force(id, async () => true);
  }

  #force(id: ArtifactId, isWanted: () => Promise<boolean>): void {
    const key = `forced ${artifactKey(id)}`;
    if (this.#isStopped || this.#queued.has(key)) return;
    const renew = async () => {
      if (this.#isStopped || !(await isWanted())) return;
      await this.#builds.begin(id, performance.now(), { isBackground: true, isForced: true })
        .done;
    };
    const done = this.#queue
      .run(id.host, renew)
      // A generation that fails is an event; the next change makes it anew.
      .catch(() => {})
      .finally(() => this.#queued.delete(key));
    this.#queued.set(key, done);
  }

  /** Begins nothing more. Idempotent. */
  stop(): void {
    this.#isStopped = true;
    this.#intervals.stop();
    this.#pushes.stop();
    this.#later.stop();
  }

  /** Resolves when nothing runs any more. */
  async settled(): Promise<void> {
    while (this.#queued.size > 0) await Promise.all(this.#queued.values());
  }

  #warm(repository: RepositoryId): void {
    const known = this.#checks.find(repository);
    if (known?.askedAt === undefined) return;
    if (performance.now() - known.askedAt.time > this.#policy.keepWarmFor) return;
    const { refreshInterval = 0 } = this.#policy;
    // Another process may have had its turn at this interval.
    const since = Date.now() - refreshInterval * (1 - JITTER);
    if (!this.#checks.isThrottled(repository)) this.checkSoon(repository, since);
    this.keepWarm(repository);
  }

  /**
   * Has `build` called later if a default snapshot was stored less than `minRebuildInterval` ago. Bundles bridge
   * the gap. Of other artifacts there are none, and what has another format is replaced at once.
   *
   * @returns whether it is.
   */
  #postpone(
    id: ArtifactId,
    { artifact, isOfOtherFormat }: Found<StoredArtifact>,
    build: () => void,
  ): boolean {
    const { minRebuildInterval } = this.#policy;
    if (this.#checks.isStrict || isVariant(id) || isOfOtherFormat) return false;
    // A clock that was set back makes nobody wait for longer than that.
    const age = Math.max(Date.now() - artifact.storedAt, 0);
    if (age >= minRebuildInterval) return false;
    this.#later.add(artifactKey(id), build, performance.now() + minRebuildInterval - age);
    return true;
  }

  /** Never rejects: what fails is an event. */
  async #rebuild(id: ArtifactId): Promise<void> {
    const key = artifactKey(id);
    try {
      let isLast = false;
      for (let attempt = 0; !this.#isStopped; attempt++) {
        const found = await this.#stored.stat(id);
        const state = this.#checks.stateOf(id);
        if (found === undefined || this.#stored.isCurrent(id, found, state)) {
          this.#failures.forget(key);
          return;
        }
        if (isLast || attempt === MAX_ATTEMPTS) {
          throw new SnapshotError(
            'STORE_FAILED',
            'what was generated is not stored, or old already',
          );
        }
        if (this.#postpone(id, found, () => this.rebuildSoon(id))) return;
        const generation = this.#builds.begin(id, performance.now(), { isBackground: true });
        await generation.outcome();
        const end = await generation.done;
        // What was made of something older, or stored by somebody else, may be stale by now.
        isLast = end !== 'superseded' && generation.isOf(this.#checks.digestOf(id));
      }
    } catch (error) {
      // Nothing of it is stored by now, and it may come back.
      if (!isNotFound(error)) this.#failures.remember(key, toSnapshotError(error));
    }
  }
}

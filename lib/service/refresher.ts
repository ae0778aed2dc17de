import type { StoredArtifact } from '../artifact/artifact.js';
import { type ArtifactId, defaultSnapshot } from '../artifact/id.js';
import { artifactKey } from '../artifact/key.js';
import { after, elapsedSince, now, type Time, thisMoment } from '../async/clock.js';
import { FailureCache } from '../async/failure-cache.js';
import { KeyedLimit } from '../async/keyed-limit.js';
import { retry } from '../async/retry.js';
import { Schedule } from '../async/schedule.js';
import { SingleFlight } from '../async/single-flight.js';
import { SnapshotError, toSnapshotError } from '../errors.js';
import { type RepositoryId, repositoryKey } from '../repository.js';
import { isNotFound } from '../writer/write-context.js';
import type { Builds } from './builds.js';
import { rebuildDelay } from './decide.js';
import type { BuildParts } from './run-build.js';
import { isCurrent } from './staleness.js';
import type { Found } from './stored-artifacts.js';

/** Intervals vary at random by this fraction: many repositories must not be due at once. */
const JITTER = 0.2;
const MAX_ATTEMPTS = 5;
/** Background builds of one host that run or wait for a lock: a huge one must not delay all. */
const CONCURRENT_REBUILDS = 4;

export interface RefresherParts extends BuildParts {
  readonly builds: Builds;
}

/** Refreshes artifacts: checks upstreams, and builds stale ones again, mostly in the background. */
export class Refresher {
  readonly #parts: RefresherParts;
  readonly #limit = new KeyedLimit(CONCURRENT_REBUILDS);
  /** By key of the artifact. */
  readonly #rebuilds = new SingleFlight<void>();
  /** Failed rebuilds: not every hit may repeat them. */
  readonly #failures: FailureCache;
  /** Repositories that are refreshed every `refreshInterval`. */
  readonly #intervals: Schedule<RepositoryId>;
  /** Repositories with the time of their next check, or later if no check is allowed then. */
  readonly #checksAt: Schedule<RepositoryId>;
  /** Rebuilds that wait until `minRebuildInterval` has passed. */
  readonly #delayed: Schedule<() => void>;

  constructor(parts: RefresherParts) {
    const { known, policy, stopping } = parts;
    this.#parts = parts;
    this.#failures = new FailureCache(policy.negativeCacheTtl);
    this.#intervals = new Schedule((repository) => this.#refreshAtInterval(repository));
    this.#checksAt = new Schedule((repository) => {
      if (known.isThrottled(repository)) this.checkWhenAllowed(repository);
      else this.checkSoon(defaultSnapshot(repository), Date.now());
    });
    this.#delayed = new Schedule((rebuild) => rebuild());
    const stop = () => {
      for (const schedule of [this.#intervals, this.#checksAt, this.#delayed]) schedule.stop();
    };
    stopping.addEventListener('abort', stop, { once: true });
  }

  /** A client requested an artifact of the repository, and got it. */
  noteRequest(repository: RepositoryId): void {
    const { known, mirrors, closing } = this.#parts;
    known.know(repository, thisMoment());
    this.refreshAtIntervals(repository);
    // A failure only affects the order of evictions.
    mirrors.touch(repository, closing).catch(() => {});
  }

  /** Refreshes a repository every `refreshInterval` from now on, if the option is set. */
  refreshAtIntervals(repository: RepositoryId): void {
    const { refreshInterval } = this.#parts.policy;
    const key = repositoryKey(repository);
    if (refreshInterval === undefined || this.#intervals.has(key)) return;
    const jitter = 1 + JITTER * (2 * Math.random() - 1);
    this.#intervals.add(key, repository, after(now(), refreshInterval * jitter));
  }

  /**
   * Checks the upstream in the background, then rebuilds the default snapshot and `id` if stale.
   *
   * @param since as `UpstreamChecks.checkInBackground`.
   */
  checkSoon(id: ArtifactId, since?: number): void {
    const { checks, stopping } = this.#parts;
    if (stopping.aborted) return;
    const { repository } = id;
    const then = async (isAnswered: boolean) => {
      if (!isAnswered && since !== undefined) return this.checkWhenAllowed(repository);
      this.rebuildSoon(defaultSnapshot(repository));
      this.rebuildSoon(id);
    };
    // Pushes have another key than due checks, which come again with the next request: only the
    // check after a push is tried again while another replica checks.
    const key = `${since === undefined ? 'due' : 'since'} ${artifactKey(id)}`;
    const check = checks.checkInBackground(repository, key, then, since);
    // Failures of the upstream are events. Only a store that breaks its contract makes this fail.
    check.catch(() => {});
  }

  /** As `checkSoon`, but waits until another background check is allowed. */
  checkWhenAllowed(repository: RepositoryId): void {
    this.checkAt(repository, this.#parts.known.nextCheckAt(repository));
  }

  /** As `checkWhenAllowed`, but not before a time. */
  checkAt(repository: RepositoryId, time: Time): void {
    this.#checksAt.add(repositoryKey(repository), repository, time);
  }

  /** Rebuilds a stale artifact in the background, as soon as the policy allows. */
  rebuildSoon(id: ArtifactId): void {
    const key = artifactKey(id);
    if (this.#parts.stopping.aborted || this.#delayed.has(key) || this.#failures.has(key)) return;
    void this.#rebuilds.join(key, () =>
      this.#limit.run(id.repository.host, () => this.#rebuild(id)),
    );
  }

  /** Rebuilds a current snapshot in the background, because its mirror was pruned. */
  rebuildPruned(repository: RepositoryId): void {
    const id = defaultSnapshot(repository);
    const { stored } = this.#parts;
    this.#force(id, async () => {
      const found = await stored.stat(id);
      if (found === undefined) return false;
      // A stale snapshot is built again anyway, from the pruned mirror.
      if (!this.#isCurrent(id, found)) {
        this.rebuildSoon(id);
        return false;
      }
      return !this.#delay(id, found, () => this.rebuildPruned(repository));
    });
  }

  /** Rebuilds an artifact in the background, even if the stored one is current. */
  rebuildForced(id: ArtifactId): void {
    this.#force(id, async () => true);
  }

  /**
   * Checks the upstream now, and brings the default snapshot up to date. A remembered failure of a
   * clone does not keep it from that: the caller may have mended the cause.
   *
   * @throws SnapshotError
   */
  async refresh(repository: RepositoryId): Promise<StoredArtifact> {
    const { known, checks, builds, stored, mirrors, closing } = this.#parts;
    const id = defaultSnapshot(repository);
    const requestedAt = now();
    mirrors.forgetFailure(repository);
    await mirrors.open(repository, closing);
    const before = await stored.stat(id);
    // A stored repository was not made up by a client: its failures and refusals are remembered.
    if (before !== undefined) known.know(repository);
    if (known.isKnown(repository)) await checks.check(repository);
    this.#failures.forget(artifactKey(id));
    const checkedAt = now();
    const notKept = () => new SnapshotError('STORE_FAILED', 'the store did not keep the snapshot');
    const refresh = async () => {
      const found = await stored.stat(id);
      if (found !== undefined && this.#isCurrent(id, found)) return found.artifact;
      const build = builds.begin(id, requestedAt);
      await build.outcome();
      const end = await build.done;
      known.know(repository);
      if (end === 'not-stored') throw notKept();
      const isNew = build.isSince(checkedAt, known.digestOf(repository));
      if (end === 'superseded' || !isNew) return undefined;
      const built = await stored.stat(id);
      // The snapshot may exceed the store's budget. Then another build would, too.
      if (built === undefined) throw notKept();
      return built.artifact;
    };
    return await retry(MAX_ATTEMPTS, refresh, notKept);
  }

  /** Resolves when no background build runs. */
  async settled(): Promise<void> {
    await this.#rebuilds.settled();
  }

  #refreshAtInterval(repository: RepositoryId): void {
    const { known, policy } = this.#parts;
    const { refreshInterval = 0, stopRefreshingAfter } = policy;
    const { requestedAt } = known.stateOf(repository);
    if (requestedAt === undefined) return;
    if (elapsedSince(requestedAt.time) > stopRefreshingAfter) return;
    // A process that shares the store may have checked in this interval.
    const since = Date.now() - refreshInterval * (1 - JITTER);
    if (!known.isThrottled(repository)) this.checkSoon(defaultSnapshot(repository), since);
    this.refreshAtIntervals(repository);
  }

  #force(id: ArtifactId, isWanted: () => Promise<boolean>): void {
    const { builds, stopping } = this.#parts;
    if (stopping.aborted) return;
    const rebuild = async () => {
      if (stopping.aborted || !(await isWanted())) return;
      await builds.begin(id, now(), { isBackground: true, isForced: true }).done;
    };
    // A failed build emits an event, and the next change causes another build.
    const run = () => this.#limit.run(id.repository.host, rebuild).catch(() => {});
    void this.#rebuilds.join(`forced ${artifactKey(id)}`, run);
  }

  /** Delays a default snapshot's rebuild until `minRebuildInterval` is over. @returns whether. */
  #delay(id: ArtifactId, found: Found<StoredArtifact>, rebuild: () => void): boolean {
    const { known, policy } = this.#parts;
    const upstream = known.stateOf(id.repository);
    const delay = rebuildDelay(id, found, upstream, policy, thisMoment());
    if (delay > 0) this.#delayed.add(artifactKey(id), rebuild, after(now(), delay));
    return delay > 0;
  }

  /** Never rejects: a failure is an event. */
  async #rebuild(id: ArtifactId): Promise<void> {
    const { known, builds, stored, stopping } = this.#parts;
    const key = artifactKey(id);
    try {
      let isLast = false;
      for (let attempt = 0; !stopping.aborted; attempt++) {
        const found = await stored.stat(id);
        if (found === undefined || this.#isCurrent(id, found)) {
          this.#failures.forget(key);
          return;
        }
        if (isLast || attempt === MAX_ATTEMPTS) {
          const message = 'the store did not keep the artifact, or it is stale again';
          throw new SnapshotError('STORE_FAILED', message);
        }
        if (this.#delay(id, found, () => this.rebuildSoon(id))) return;
        const build = builds.begin(id, now(), { isBackground: true });
        await build.outcome();
        const end = await build.done;
        // It may still be stale: this build may have read older refs, or another process stored it.
        isLast = end !== 'superseded' && build.isOf(known.digestOf(id.repository));
      }
    } catch (error) {
      // If the ref is gone, the build has deleted its artifact. The ref may come back.
      if (!isNotFound(error)) this.#failures.remember(key, toSnapshotError(error));
    }
  }

  #isCurrent(id: ArtifactId, found: Found<StoredArtifact>): boolean {
    const { known, policy } = this.#parts;
    return isCurrent(id, found, known.stateOf(id.repository), policy);
  }
}

import { FailureCache } from '../async/failure-cache.js';
import { SingleFlight } from '../async/single-flight.js';
import { Tally } from '../async/tally.js';
import { hostConfig } from '../config/hosts.js';
import type { ServiceConfig } from '../config/options.js';
import { SnapshotError } from '../errors.js';
import { OID_PATTERN } from '../git/object.js';
import { MemoryLocks } from '../locks/memory.js';
import { withLock } from '../locks/with-lock.js';
import { type RepositoryId, repositoryKey } from '../repository.js';
import type { KnownUpstreams } from './known-upstreams.js';
import type { UpstreamChecks } from './upstream-checks.js';

/** Clients may wait for at most this many commits of one repository at once. */
const MAX_WAITING = 16;
/** Seconds after which a client may try again. */
const RETRY_AFTER = 5;

/**
 * Looks upstream for a ref that the mirror lacks: fetches a commit by its id, or checks for a new
 * name. Clients may make up refs, so a missing one is remembered, and the commits of one repository
 * are fetched one at a time.
 */
export class RefFinder {
  readonly #config: ServiceConfig;
  readonly #known: KnownUpstreams;
  readonly #checks: UpstreamChecks;
  /** Commits that the upstream does not give. */
  readonly #missing: FailureCache;
  /** By repository and commit. Callers share the fetch of a commit. */
  readonly #fetches = new SingleFlight<boolean>();
  /** By repository: fetches that run or wait. */
  readonly #waiting = new Tally();
  readonly #turns = new MemoryLocks();

  constructor(config: ServiceConfig, known: KnownUpstreams, checks: UpstreamChecks) {
    this.#config = config;
    this.#known = known;
    this.#checks = checks;
    this.#missing = new FailureCache(config.freshness.checkInterval);
  }

  /**
   * @param ref as in a `SnapshotId`.
   * @param digest of the revision that lacks the ref.
   * @returns whether the mirror may have it now.
   * @throws SnapshotError `REF_NOT_FOUND`; `UPSTREAM_*`; `OVERLOADED`.
   */
  async find(repository: RepositoryId, ref: string, digest: string): Promise<boolean> {
    return OID_PATTERN.test(ref)
      ? await this.#findCommit(repository, ref)
      : await this.#findName(repository, digest);
  }

  /** Fetches a commit that may be unreachable. @returns and @throws as `find`. */
  async hasCommit(repository: RepositoryId, commit: string): Promise<boolean> {
    const key = `${repositoryKey(repository)} ${commit}`;
    const { onlyReachableCommits } = hostConfig(this.#config, repository);
    if (onlyReachableCommits || this.#missing.has(key)) return false;
    const isFetched = await this.#fetch(repository, commit);
    if (!isFetched) this.#missing.remember(key, notGiven(commit));
    return isFetched;
  }

  async #findName(repository: RepositoryId, digest: string): Promise<boolean> {
    const isNew = () => this.#known.digestOf(repository) !== digest;
    if (isNew()) return true;
    if (this.#known.isThrottled(repository)) await this.#checks.checked(repository);
    else await this.#checks.check(repository);
    return isNew();
  }

  async #findCommit(repository: RepositoryId, commit: string): Promise<boolean> {
    const key = `${repositoryKey(repository)} ${commit}`;
    if (await this.hasCommit(repository, commit)) return true;
    this.#missing.throwIfRemembered(key);
    throw notGiven(commit);
  }

  #fetch(repository: RepositoryId, commit: string): Promise<boolean> {
    const key = repositoryKey(repository);
    return this.#fetches.join(`${key} ${commit}`, async () => {
      if (this.#waiting.of(key) >= MAX_WAITING) {
        const message = `${MAX_WAITING} commits of ${key} are being fetched or queued`;
        throw new SnapshotError('OVERLOADED', message, { retryAfter: RETRY_AFTER });
      }
      this.#waiting.add(key, 1);
      const fetch = () => this.#checks.fetchCommit(repository, commit);
      return await withLock(this.#turns, key, fetch).finally(() => this.#waiting.add(key, -1));
    });
  }
}

function notGiven(commit: string): SnapshotError {
  return new SnapshotError('REF_NOT_FOUND', `the upstream does not give ${commit}`);
}

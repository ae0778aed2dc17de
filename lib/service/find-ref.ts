import { FailureCache } from '../async/failure-cache.js';
import { hostConfig } from '../config/hosts.js';
import type { SnapshotConfig } from '../config/options.js';
import { SnapshotError } from '../errors.js';
import { OID_PATTERN } from '../git/object.js';
import { InProcessLocks } from '../locks/in-process.js';
import { type RepositoryId, repositoryKey } from '../repository.js';
import type { UpstreamChecks } from './upstream-checks.js';

/** Commits of one repository that may be waited for at once. */
const MAX_WAITING = 16;
/** Seconds in which some of them have had their turn. */
const RETRY_AFTER = 5;

/**
 * Looks whether the upstream has a ref that the mirror does not have: a commit is asked for by its id, a
 * name may be new. Clients may make up either, so that neither is done again and again, and commits of
 * one repository are asked for one at a time: whatever else is to be asked comes in between.
 */
export class RefFinder {
  readonly #config: SnapshotConfig;
  readonly #checks: UpstreamChecks;
  /** Commits that could not be had. */
  readonly #missing: FailureCache;
  /** By repository and commit: what is being asked for, or waits for its turn. */
  readonly #asking = new Map<string, Map<string, Promise<boolean>>>();
  readonly #turns = new InProcessLocks();

  constructor(config: SnapshotConfig, checks: UpstreamChecks) {
    this.#config = config;
    this.#checks = checks;
    this.#missing = new FailureCache(config.freshness.checkInterval);
  }

  /**
   * @param ref as in a `SnapshotId`.
   * @param digest of the revision that does not have it.
   * @returns whether the mirror may have it by now.
   * @throws SnapshotError `REF_NOT_FOUND`; `UPSTREAM_*` when the upstream can't say; `OVERLOADED`.
   */
  async search(repository: RepositoryId, ref: string, digest: string): Promise<boolean> {
    return OID_PATTERN.test(ref)
      ? await this.#searchCommit(repository, ref)
      : await this.#searchName(repository, digest);
  }

  /** Whether the mirror has a commit by now that no ref need lead to. @throws SnapshotError as `search`. */
  async hasCommit(repository: RepositoryId, commit: string): Promise<boolean> {
    const key = `${repositoryKey(repository)} ${commit}`;
    const { onlyReachableCommits } = hostConfig(this.#config, repository);
    if (onlyReachableCommits || this.#missing.has(key)) return false;
    const isThere = await this.#ask(repository, commit);
    if (!isThere) this.#missing.remember(key, notToBeHad(commit));
    return isThere;
  }

  async #searchName(repository: RepositoryId, digest: string): Promise<boolean> {
    const checks = this.#checks;
    const isNew = () => checks.digestOf(repository) !== digest;
    if (isNew()) return true;
    if (checks.isThrottled(repository)) await checks.checked(repository);
    else await checks.check(repository);
    return isNew();
  }

  async #searchCommit(repository: RepositoryId, commit: string): Promise<boolean> {
    const key = `${repositoryKey(repository)} ${commit}`;
    if (await this.hasCommit(repository, commit)) return true;
    this.#missing.throwIfRemembered(key);
    throw notToBeHad(commit);
  }

  /** Once for all who ask for the same commit. */
  #ask(repository: RepositoryId, commit: string): Promise<boolean> {
    const key = repositoryKey(repository);
    const waiting = this.#asking.get(key) ?? new Map<string, Promise<boolean>>();
    const there = waiting.get(commit);
    if (there !== undefined) return there;
    if (waiting.size >= MAX_WAITING) {
      const message = `${MAX_WAITING} commits of ${key} are waited for`;
      throw new SnapshotError('OVERLOADED', message, { retryAfter: RETRY_AFTER });
    }
    const asking = this.#fetchCommit(repository, commit).finally(() => {
      waiting.delete(commit);
      if (waiting.size === 0) this.#asking.delete(key);
    });
    waiting.set(commit, asking);
    this.#asking.set(key, waiting);
    return asking;
  }

  async #fetchCommit(repository: RepositoryId, commit: string): Promise<boolean> {
    const turn = await this.#turns.acquire(repositoryKey(repository));
    try {
      return await this.#checks.fetchCommit(repository, commit);
    } finally {
      await turn.release();
    }
  }
}

function notToBeHad(commit: string): SnapshotError {
  return new SnapshotError('REF_NOT_FOUND', `${commit} is not to be had`);
}

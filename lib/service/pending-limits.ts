import { isVariant } from '../artifact/id.js';
import { Tally } from '../async/tally.js';
import type { ServiceConfig } from '../config/options.js';
import { SnapshotError } from '../errors.js';
import { type RepositoryId, repositoryKey } from '../repository.js';
import type { BuildOrder } from './build.js';

/** Seconds after which a client may try again. */
const RETRY_AFTER = 10;
/** The most queries of one repository that run or wait. Each may hold a body of 256 KiB. */
const MAX_QUERIES = 256;

type Limits = Pick<ServiceConfig['concurrency'], 'maxPendingBuilds' | 'maxPendingVariants'>;

/** Bounds the builds and queries that run or wait, in all and per repository. */
export class PendingLimits {
  readonly #limits: Limits;
  #builds = 0;
  /** By repository. */
  readonly #variants = new Tally();
  /** By repository. For `maxPendingBuilds`, all queries of one repository count as one. */
  readonly #queries = new Tally();

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Builds that run or wait. */
  get builds(): number {
    return this.#builds;
  }

  /**
   * Counts a build until the caller calls the returned function, exactly once. The caller limits
   * the variants that it builds in the background.
   *
   * @throws SnapshotError `OVERLOADED`, `TOO_MANY_VARIANTS`.
   */
  enterBuild({ id, isBackground }: Pick<BuildOrder, 'id' | 'isBackground'>): () => void {
    const { repository } = id;
    const key = repositoryKey(repository);
    const { maxPendingVariants } = this.#limits;
    if (!isBackground && isVariant(id) && this.#variants.of(key) >= maxPendingVariants) {
      const message = `${maxPendingVariants} variants of ${key} are being built or queued`;
      throw new SnapshotError('TOO_MANY_VARIANTS', message, {
        retryAfter: RETRY_AFTER,
        repository,
      });
    }
    this.#throwIfFull();
    this.#builds++;
    if (isVariant(id)) this.#variants.add(key, 1);
    return () => {
      this.#builds--;
      if (isVariant(id)) this.#variants.add(key, -1);
    };
  }

  /**
   * Counts a query to a mirror, and its clone, until the caller calls the returned function once.
   *
   * @throws SnapshotError `OVERLOADED`
   */
  enterQuery(repository: RepositoryId): () => void {
    const key = repositoryKey(repository);
    const queries = this.#queries.of(key);
    if (queries === 0) this.#throwIfFull();
    if (queries >= MAX_QUERIES) {
      const message = `${MAX_QUERIES} queries of ${key} run or wait`;
      throw new SnapshotError('OVERLOADED', message, { retryAfter: RETRY_AFTER, repository });
    }
    this.#queries.add(key, 1);
    return () => this.#queries.add(key, -1);
  }

  #throwIfFull(): void {
    const { maxPendingBuilds } = this.#limits;
    if (this.#builds + this.#queries.size < maxPendingBuilds) return;
    throw new SnapshotError(
      'OVERLOADED',
      `${maxPendingBuilds} artifacts are being built or queued`,
    );
  }
}

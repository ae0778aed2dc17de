import type { ArtifactId } from '../artifact/artifact.js';
import { isVariant } from '../artifact/key.js';
import type { Limits } from '../config/options.js';
import { SnapshotError } from '../errors.js';
import { type RepositoryId, repositoryKey } from '../repository.js';

/** Seconds in which some variants of a repository have had their turn. */
const RETRY_AFTER = 10;

/** Bounds what is being made or waited for, of all repositories and of each. */
export class PendingLimits {
  readonly #limits: Pick<Limits, 'maxPending' | 'maxPendingVariants'>;
  #builds = 0;
  /** By repository. */
  readonly #variants = new Tally();
  /** By repository; however many clients ask about one, it counts once. */
  readonly #questions = new Tally();

  constructor(limits: Pick<Limits, 'maxPending' | 'maxPendingVariants'>) {
    this.#limits = limits;
  }

  /**
   * Takes the place of an artifact that is to be made.
   *
   * @param isBackground no client waits for it, and whoever wants it sees to it that there are few of these.
   * @returns gives the place back; to be called once.
   * @throws SnapshotError `OVERLOADED`, `TOO_MANY_VARIANTS`.
   */
  enterBuild(id: ArtifactId, isBackground: boolean): () => void {
    const key = repositoryKey(id);
    const { maxPendingVariants } = this.#limits;
    if (!isBackground && isVariant(id) && this.#variants.of(key) >= maxPendingVariants) {
      const message = `${maxPendingVariants} variants of ${key} are being made or waited for`;
      throw new SnapshotError('TOO_MANY_VARIANTS', message, { retryAfter: RETRY_AFTER });
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
   * Takes the place of a question to a repository's mirror, for which that may be cloned.
   *
   * @returns as `enterBuild`.
   * @throws SnapshotError `OVERLOADED`
   */
  enterQuestion(repository: RepositoryId): () => void {
    const key = repositoryKey(repository);
    if (this.#questions.of(key) === 0) this.#throwIfFull();
    this.#questions.add(key, 1);
    return () => this.#questions.add(key, -1);
  }

  #throwIfFull(): void {
    const { maxPending } = this.#limits;
    if (this.#builds + this.#questions.size < maxPending) return;
    throw new SnapshotError('OVERLOADED', `${maxPending} artifacts are being made or waited for`);
  }
}

/** Counts by key; what is 0 takes no memory. */
class Tally {
  readonly #counts = new Map<string, number>();

  get size(): number {
    return this.#counts.size;
  }

  of(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  add(key: string, change: 1 | -1): void {
    const count = this.of(key) + change;
    if (count === 0) this.#counts.delete(key);
    else this.#counts.set(key, count);
  }
}

import { Lanes } from '../lanes.js';
import { type RepositoryId, repositoryKey } from '../repository/identity.js';

interface BackgroundCheck {
  readonly done: Promise<void>;
  hasBegun: boolean;
  since: number;
}

/** Of one host, at once. */
const CONCURRENT_CHECKS = 4;

/** Questions to upstreams that nobody waits for: few at once, and one of each repository. */
export class BackgroundChecks {
  readonly #check: (repository: RepositoryId, since: number) => Promise<boolean>;
  readonly #queue = new Lanes(CONCURRENT_CHECKS);
  /** By repository: the latest one. */
  readonly #latest = new Map<string, BackgroundCheck>();

  /** @param check answers whether there is an answer; never rejects for what the upstream does. */
  constructor(check: (repository: RepositoryId, since: number) => Promise<boolean>) {
    this.#check = check;
  }

  /**
   * Has the upstream asked when its turn comes, and then `then` done, once for all who want that before.
   * Who wants it after it was asked has it asked again.
   *
   * @param since a date: an answer that somebody else had since then will do.
   */
  add(
    repository: RepositoryId,
    since: number,
    then: (isAnswered: boolean) => Promise<void>,
  ): Promise<void> {
    const key = repositoryKey(repository);
    const last = this.#latest.get(key);
    if (last !== undefined && !last.hasBegun) {
      last.since = Math.max(last.since, since);
      return last.done;
    }
    const run = async () => {
      check.hasBegun = true;
      await then(await this.#check(repository, check.since));
    };
    // Two of one repository would keep others from being asked.
    const turn = last === undefined ? Promise.resolve() : last.done;
    const check: BackgroundCheck = {
      hasBegun: false,
      since,
      done: turn
        .then(() => this.#queue.run(repository.host, run))
        .finally(() => {
          if (this.#latest.get(key) === check) this.#latest.delete(key);
        }),
    };
    this.#latest.set(key, check);
    return check.done;
  }

  /** Resolves when nothing runs any more. */
  async settled(): Promise<void> {
    while (this.#latest.size > 0) {
      await Promise.allSettled(Array.from(this.#latest.values(), ({ done }) => done));
    }
  }
}

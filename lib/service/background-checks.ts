import { KeyedLimit } from '../async/keyed-limit.js';
import { type RepositoryId, repositoryKey } from '../repository.js';

/** What is done after a check. @param isAnswered whether there is an answer. */
export type AfterCheck = (isAnswered: boolean) => Promise<void>;

interface BackgroundCheck {
  readonly done: Promise<void>;
  /** By key. */
  readonly after: Map<string, AfterCheck>;
  hasBegun: boolean;
  since: number;
}

/** Of one host, at once. */
const CONCURRENT_CHECKS = 4;

/** Questions to upstreams that nobody waits for: few at once, and one of each repository. */
export class BackgroundChecks {
  readonly #check: (repository: RepositoryId, since: number) => Promise<boolean>;
  readonly #queue = new KeyedLimit(CONCURRENT_CHECKS);
  /** By repository: the latest one. */
  readonly #latest = new Map<string, BackgroundCheck>();

  /** @param check answers whether there is an answer; never rejects for what the upstream does. */
  constructor(check: (repository: RepositoryId, since: number) => Promise<boolean>) {
    this.#check = check;
  }

  /**
   * Queues a check of the upstream. Callers that come before it starts share it; later callers get another.
   *
   * @param key of several callers that share a check, those with one key share `then`.
   * @param since a date: an answer that somebody else had since then will do.
   */
  add(repository: RepositoryId, since: number, key: string, then: AfterCheck): Promise<void> {
    const name = repositoryKey(repository);
    const last = this.#latest.get(name);
    if (last !== undefined && !last.hasBegun) {
      last.since = Math.max(last.since, since);
      last.after.set(key, then);
      return last.done;
    }
    const run = async () => {
      check.hasBegun = true;
      const isAnswered = await this.#check(repository, check.since);
      for (const each of check.after.values()) await each(isAnswered);
    };
    // Two of one repository would keep others from being asked.
    const turn = last === undefined ? Promise.resolve() : last.done;
    const check: BackgroundCheck = {
      after: new Map([[key, then]]),
      hasBegun: false,
      since,
      done: turn
        .then(() => this.#queue.run(repository.host, run))
        .finally(() => {
          if (this.#latest.get(name) === check) this.#latest.delete(name);
        }),
    };
    this.#latest.set(name, check);
    return check.done;
  }

  /** Resolves when nothing runs any more. */
  async settled(): Promise<void> {
    while (this.#latest.size > 0) {
      await Promise.allSettled(Array.from(this.#latest.values(), ({ done }) => done));
    }
  }
}

import { KeyedLimit } from '../async/keyed-limit.js';
import { SingleFlight } from '../async/single-flight.js';
import { type RepositoryId, repositoryKey } from '../repository.js';

/** Runs after a check. @param isAnswered whether the upstream's state is known now. */
export type AfterCheck = (isAnswered: boolean) => Promise<void>;

/** A check that has not begun. */
interface QueuedCheck {
  since: number;
  /** By key. */
  readonly after: Map<string, AfterCheck>;
}

/** Checks of one host that run at once. */
const CONCURRENT_CHECKS = 4;

/** Background checks of upstreams: a few at a time per host, and one at a time per repository. */
export class BackgroundChecks {
  readonly #check: (repository: RepositoryId, since: number) => Promise<boolean>;
  readonly #limit = new KeyedLimit(CONCURRENT_CHECKS);
  readonly #checks = new SingleFlight<void>();
  /** By repository. */
  readonly #queued = new Map<string, QueuedCheck>();

  /** @param check returns whether the upstream's state is known, and ignores its failures. */
  constructor(check: (repository: RepositoryId, since: number) => Promise<boolean>) {
    this.#check = check;
  }

  /**
   * Queues a check of the upstream, then runs `then`. Callers that come before the check starts
   * share it; later callers get another. Callers with one key share the `then` of the last one.
   *
   * @param since a date. A check by another process since then is enough.
   */
  add(repository: RepositoryId, since: number, key: string, then: AfterCheck): Promise<void> {
    const name = repositoryKey(repository);
    const queued = this.#queued.get(name) ?? { since, after: new Map<string, AfterCheck>() };
    queued.since = Math.max(queued.since, since);
    queued.after.set(key, then);
    this.#queued.set(name, queued);
    const run = async () => {
      this.#queued.delete(name);
      const isAnswered = await this.#check(repository, queued.since);
      for (const each of queued.after.values()) await each(isAnswered);
    };
    return this.#checks.joinNext(name, run, (begin) => this.#limit.run(repository.host, begin));
  }

  /** Resolves when no check runs. */
  async settled(): Promise<void> {
    await this.#checks.settled();
  }
}

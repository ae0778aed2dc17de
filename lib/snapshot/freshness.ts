import type { EventEmitter } from 'node:events';
import { type Moment, momentOf, thisMoment } from '../clock.js';
import { SnapshotError, toSnapshotError } from '../errors.js';
import type { SnapshotEvents } from '../events.js';
import type { Head } from '../git/refs.js';
import { Lanes } from '../lanes.js';
import type { MirrorManager } from '../mirror/manager.js';
import type { UpdateOutcome } from '../mirror/updater.js';
import type { FreshnessPolicy } from '../options.js';
import { type RepositoryId, repositoryKey, repositoryOf } from '../repository/identity.js';
import { SharedRuns } from './shared-runs.js';

/** What this process knows of a repository beside its mirror. */
export interface KnownRepository {
  readonly repository: RepositoryId;
  /** When a client last asked for it; `undefined` when none did. */
  readonly askedAt: Moment | undefined;
  /** When the upstream was last asked, with success. */
  readonly checkedAt: Moment | undefined;
  /** What the last question to the upstream failed with; `undefined` when it did not. */
  readonly failure: SnapshotError | undefined;
}

interface Knowledge extends KnownRepository {
  askedAt: Moment | undefined;
  checkedAt: Moment | undefined;
  failure: SnapshotError | undefined;
  /** When the upstream was last asked at all: by `performance.now()`. */
  triedAt: number | undefined;
  /** When that failed; `undefined` when it did not. */
  failedAt: number | undefined;
  /** What it had when it was last asked: stands for HEAD and all refs. */
  digest: string | undefined;
  /** Whether there was a mirror then, which has had that, or something later, since. */
  isMirrored: boolean;
}

/** What the upstream, as far as it is known, has by now. */
export interface UpstreamState {
  readonly digest: string | undefined;
  readonly head: Head | undefined;
}

interface BackgroundCheck {
  readonly done: Promise<void>;
  hasBegun: boolean;
}

/** Questions to one host that nobody waits for, at once. */
const BACKGROUND_CHECKS = 4;

/**
 * When to ask upstreams what is new, and what they said. Each question is shared by all who want to know
 * the same; it belongs to the service, and nobody who leaves ends it.
 */
export class Freshness {
  readonly #policy: FreshnessPolicy;
  readonly #mirrors: MirrorManager;
  readonly #events: EventEmitter<SnapshotEvents>;
  readonly #closing: AbortSignal;
  readonly #known = new Map<string, Knowledge>();
  readonly #checks = new SharedRuns<UpdateOutcome>();
  readonly #queue = new Lanes(BACKGROUND_CHECKS);
  /** By repository: the latest one. */
  readonly #inBackground = new Map<string, BackgroundCheck>();

  constructor(
    policy: FreshnessPolicy,
    mirrors: MirrorManager,
    events: EventEmitter<SnapshotEvents>,
    closing: AbortSignal,
  ) {
    this.#policy = policy;
    this.#mirrors = mirrors;
    this.#events = events;
    this.#closing = closing;
  }

  get isStrict(): boolean {
    return this.#policy.mode === 'strict';
  }

  list(): KnownRepository[] {
    return [...this.#known.values()];
  }

  find(repository: RepositoryId): KnownRepository | undefined {
    return this.#known.get(repositoryKey(repository));
  }

  /**
   * Takes note of a repository that is there.
   *
   * @param askedAt when a client asked for it, if one did before.
   */
  know(repository: RepositoryId, askedAt?: Moment): void {
    const known = this.#knowledge(repository);
    if (askedAt === undefined) return;
    if (known.askedAt === undefined || known.askedAt.time < askedAt.time) known.askedAt = askedAt;
  }

  forget(repository: RepositoryId): void {
    this.#known.delete(repositoryKey(repository));
  }

  /** What the upstream is known to have. */
  stateOf(repository: RepositoryId): UpstreamState {
    const head = this.#mirrors.find(repository)?.revision?.head;
    return { digest: this.digestOf(repository), head };
  }

  /** Stands for HEAD and all refs that the upstream is known to have; `undefined` if nothing is known. */
  digestOf(repository: RepositoryId): string | undefined {
    const { digest, isMirrored } = this.#known.get(repositoryKey(repository)) ?? {};
    const mirrored = this.#mirrors.find(repository)?.revision?.digest;
    return isMirrored ? (mirrored ?? digest) : (digest ?? mirrored);
  }

  /**
   * Whether it is so long since the upstream was asked, or failed, that it should be asked again.
   *
   * @param storedAt a date that stands for when it was asked while this service has not done so.
   */
  isDue(repository: RepositoryId, storedAt = 0): boolean {
    if (this.isFailing(repository)) return false;
    const { checkedAt = momentOf(storedAt) } = this.#known.get(repositoryKey(repository)) ?? {};
    return performance.now() - checkedAt.time >= this.#policy.maxAge;
  }

  /** Whether it is so short a time since the upstream failed that nobody should wait for it again. */
  isFailing(repository: RepositoryId): boolean {
    const { failedAt } = this.#known.get(repositoryKey(repository)) ?? {};
    const { maxAge, checkInterval } = this.#policy;
    return failedAt !== undefined && performance.now() - failedAt < Math.min(maxAge, checkInterval);
  }

  /** Whether the upstream was asked after this time (by `performance.now()`) or date, with success. */
  wasCheckedSince(
    repository: RepositoryId,
    since: Pick<Moment, 'time'> | Pick<Moment, 'date'>,
  ): boolean {
    const { checkedAt } = this.#known.get(repositoryKey(repository)) ?? {};
    if (checkedAt === undefined) return false;
    return 'time' in since ? checkedAt.time >= since.time : checkedAt.date >= since.date;
  }

  /** From when on the upstream may be asked again if nobody waits for it: by `performance.now()`. */
  mayBeAskedAt(repository: RepositoryId): number {
    const { triedAt = Number.NEGATIVE_INFINITY } = this.#known.get(repositoryKey(repository)) ?? {};
    return triedAt + this.#policy.checkInterval;
  }

  /** Whether the upstream was asked so lately that nobody who does not wait should ask again. */
  isThrottled(repository: RepositoryId): boolean {
    return performance.now() < this.mayBeAskedAt(repository);
  }

  /** The mirror was cloned, which began at this time. */
  noteClone(repository: RepositoryId, at: Moment, digest: string): void {
    const known = this.#knowledge(repository);
    // The upstream may have been asked again since.
    if (known.checkedAt !== undefined && known.checkedAt.time > at.time) return;
    Object.assign(known, { ...answeredAt(at), digest, isMirrored: true });
  }

  /**
   * Asks the upstream, after this call, and brings the mirror up to date if there is one.
   *
   * @throws SnapshotError what that failed with; it was also an event.
   */
  async check(repository: RepositoryId, isBackground = false): Promise<UpdateOutcome> {
    const key = repositoryKey(repository);
    return await this.#checks.run(key, () => this.#ask(repository, undefined, isBackground));
  }

  /**
   * Asks nothing, but waits for what the upstream is being asked.
   *
   * @throws SnapshotError what the last question failed with.
   */
  async checked(repository: RepositoryId): Promise<void> {
    await this.#checks.running(repositoryKey(repository));
    const failure = this.find(repository)?.failure;
    if (failure !== undefined) throw failure;
  }

  /** Asks for a commit that no ref need lead to. Not shared: that is for those who ask. */
  async fetchCommit(repository: RepositoryId, commit: string): Promise<boolean> {
    const outcome = await this.#ask(repository, commit);
    return outcome.hasCommit;
  }

  /**
   * Has the upstream asked when its turn comes, and then `then` done, once for all who want that before.
   * Who wants it after it was asked has it asked again. Failures are events only.
   */
  checkInBackground(repository: RepositoryId, then: () => Promise<void>): Promise<void> {
    const key = repositoryKey(repository);
    const last = this.#inBackground.get(key);
    if (last !== undefined && !last.hasBegun) return last.done;
    const run = async () => {
      check.hasBegun = true;
      if (this.#closing.aborted) return;
      try {
        await this.#checks.run(key, () => this.#ask(repository, undefined, true));
      } catch (error) {
        if (!(error instanceof SnapshotError)) throw error;
      }
      await then();
    };
    // Two of one repository would keep others from being asked.
    const turn = last === undefined ? Promise.resolve() : last.done;
    const check: BackgroundCheck = {
      hasBegun: false,
      done: turn
        .then(() => this.#queue.run(repository.host, run))
        .finally(() => {
          if (this.#inBackground.get(key) === check) this.#inBackground.delete(key);
        }),
    };
    this.#inBackground.set(key, check);
    return check.done;
  }

  /** Resolves when nothing runs any more. */
  async settled(): Promise<void> {
    while (this.#inBackground.size > 0) {
      await Promise.allSettled(Array.from(this.#inBackground.values(), ({ done }) => done));
    }
    await this.#checks.settled();
  }

  async #ask(id: RepositoryId, commit?: string, isBackground = false): Promise<UpdateOutcome> {
    const repository = repositoryOf(id);
    const known = this.#known.get(repositoryKey(repository));
    const before = this.digestOf(repository);
    const startedAt = thisMoment();
    const elapsed = () => performance.now() - startedAt.time;
    if (known !== undefined) known.triedAt = startedAt.time;
    try {
      const outcome = await this.#mirrors.refresh(repository, this.#closing, {
        commit,
        isBackground,
      });
      // The repository may have been forgotten meanwhile.
      Object.assign(this.#knowledge(repository), {
        ...answeredAt(startedAt),
        digest: outcome.digest,
        isMirrored: outcome.isMirrored,
      });
      this.#events.emit('refreshed', {
        repository,
        milliseconds: elapsed(),
        changed: outcome.digest !== before,
        objects: sum(outcome.packs.map(({ objects }) => objects)),
        packBytes: sum(outcome.packs.map(({ size }) => size)),
      });
      return outcome;
    } catch (cause) {
      const error = toSnapshotError(cause);
      // Names that clients make up must not fill the memory.
      if (known !== undefined) {
        known.failure = error;
        known.failedAt = performance.now();
      }
      this.#events.emit('refreshFailed', { repository, milliseconds: elapsed(), error });
      throw error;
    }
  }

  #knowledge(repository: RepositoryId): Knowledge {
    const key = repositoryKey(repository);
    let known = this.#known.get(key);
    if (known === undefined) {
      known = {
        repository: repositoryOf(repository),
        askedAt: undefined,
        checkedAt: undefined,
        triedAt: undefined,
        failure: undefined,
        failedAt: undefined,
        digest: undefined,
        isMirrored: false,
      };
      this.#known.set(key, known);
    }
    return known;
  }
}

function answeredAt(moment: Moment) {
  return { checkedAt: moment, triedAt: moment.time, failure: undefined, failedAt: undefined };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

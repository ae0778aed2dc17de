import type { EventEmitter } from 'node:events';
import { type Moment, momentOf, thisMoment } from '../async/clock.js';
import { SingleFlight } from '../async/single-flight.js';
import type { FreshnessPolicy } from '../config/options.js';
import { SnapshotError, toSnapshotError } from '../errors.js';
import type { SnapshotEvents } from '../events/events.js';
import type { FetchOptions, FetchOutcome } from '../mirror/fetch-mirror.js';
import type { MirrorManager } from '../mirror/mirrors.js';
import { type RepositoryId, repositoryKey, repositoryOf } from '../repository.js';
import { type AfterCheck, BackgroundChecks } from './background-checks.js';
import type { CheckRecord, FleetChecks } from './fleet-checks.js';
import type { Refusals } from './refusals.js';
import {
  answeredAt,
  type Knowledge,
  type UpstreamRecord,
  nothingKnown,
  type UpstreamState,
} from './upstream-state.js';

/** Refs that mirrors don't hold, of one repository, that one check may look for. */
const MAX_WANTED_REFS = 10_000;
/** Seconds in which a check may have ended. */
const RETRY_AFTER = 5;

export interface UpstreamCheckParts {
  readonly policy: FreshnessPolicy;
  readonly mirrors: MirrorManager;
  readonly refusals: Refusals;
  readonly events: EventEmitter<SnapshotEvents>;
  /** `undefined`: this process is alone. */
  readonly fleet: FleetChecks | undefined;
  readonly closing: AbortSignal;
}

/**
 * When to ask upstreams what is new, and what they said. Each question is shared by all who want to know
 * the same; it belongs to the service, and nobody who leaves ends it.
 */
export class UpstreamChecks {
  readonly #policy: FreshnessPolicy;
  readonly #mirrors: MirrorManager;
  readonly #refusals: Refusals;
  readonly #events: EventEmitter<SnapshotEvents>;
  readonly #fleet: FleetChecks | undefined;
  readonly #closing: AbortSignal;
  readonly #known = new Map<string, Knowledge>();
  readonly #running = new SingleFlight<FetchOutcome>();
  /** By repository: names of refs that mirrors don't hold, to be looked for by the check that begins next. */
  readonly #wantedRefs = new Map<string, Set<string>>();
  readonly #inBackground = new BackgroundChecks((...about) => this.#checkUnasked(...about));

  constructor({ policy, mirrors, refusals, events, fleet, closing }: UpstreamCheckParts) {
    this.#policy = policy;
    this.#mirrors = mirrors;
    this.#refusals = refusals;
    this.#events = events;
    this.#fleet = fleet;
    this.#closing = closing;
  }

  get isStrict(): boolean {
    return this.#policy.mode === 'strict';
  }

  list(): UpstreamRecord[] {
    return [...this.#known.values()];
  }

  find(repository: RepositoryId): UpstreamRecord | undefined {
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
    const { checkedAt } = this.find(repository) ?? {};
    return {
      digest: this.digestOf(repository),
      head,
      checkedAt: checkedAt?.date,
      trustsOthers: !this.isStrict || this.hasFailed(repository),
    };
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

  /**
   * Whether it is so short a time since the upstream failed that nobody should wait for it again, or its host
   * said that it is not to be asked yet.
   */
  isFailing(repository: RepositoryId): boolean {
    if (performance.now() < this.#mirrors.pausedUntil(repository.host)) return true;
    const { failedAt } = this.#known.get(repositoryKey(repository)) ?? {};
    const { maxAge, checkInterval } = this.#policy;
    return failedAt !== undefined && performance.now() - failedAt < Math.min(maxAge, checkInterval);
  }

  /** Whether the last check failed. */
  hasFailed(repository: RepositoryId): boolean {
    return this.find(repository)?.failure !== undefined;
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
    const pausedUntil = this.#mirrors.pausedUntil(repository.host);
    return Math.max(triedAt + this.#policy.checkInterval, pausedUntil);
  }

  /** Whether the upstream was asked so lately that nobody who does not wait should ask again. */
  isThrottled(repository: RepositoryId): boolean {
    return performance.now() < this.mayBeAskedAt(repository);
  }

  /** The mirror was cloned, which began at this time. Never rejects. */
  async noteClone(repository: RepositoryId, at: Moment, digest: string): Promise<void> {
    const known = this.#knowledge(repository);
    // The upstream may have been asked again since.
    if (known.checkedAt !== undefined && known.checkedAt.time > at.time) return;
    Object.assign(known, { ...answeredAt(at), digest, isMirrored: true });
    await this.#refusals.answered(repository, at, this.#closing);
  }

  /**
   * Asks the upstream, after this call, and brings the mirror up to date if there is one.
   *
   * @throws SnapshotError what that failed with; it was also an event.
   */
  async check(repository: RepositoryId, isBackground = false): Promise<FetchOutcome> {
    const key = repositoryKey(repository);
    return await this.#running.joinNext(key, () => {
      const otherRefs = [...(this.#wantedRefs.get(key) ?? [])];
      this.#wantedRefs.delete(key);
      return this.#ask(repository, { isBackground, otherRefs });
    });
  }

  /**
   * Asks nothing, but waits for what the upstream is being asked.
   *
   * @throws SnapshotError what the last question failed with.
   */
  async checked(repository: RepositoryId): Promise<void> {
    await this.#running.running(repositoryKey(repository));
    const failure = this.find(repository)?.failure;
    if (failure !== undefined) throw failure;
  }

  /** Asks for a commit that no ref need lead to. Not shared: that is for those who ask. */
  async fetchCommit(repository: RepositoryId, commit: string): Promise<boolean> {
    const outcome = await this.#ask(repository, { commit });
    return outcome.hasCommit;
  }

  /**
   * As `check`, and looks for refs that mirrors don't hold in what the upstream lists.
   *
   * @param names full names, as bytes.
   * @returns full name → id, of those that are there.
   * @throws SnapshotError also `OVERLOADED`.
   */
  async checkOtherRefs(
    repository: RepositoryId,
    names: readonly string[],
  ): Promise<ReadonlyMap<string, string>> {
    const key = repositoryKey(repository);
    const wanted = this.#wantedRefs.get(key) ?? new Set();
    if (wanted.size > 0 && wanted.size + names.length > MAX_WANTED_REFS) {
      const message = `over ${MAX_WANTED_REFS} refs of ${key} are waited for`;
      throw new SnapshotError('OVERLOADED', message, { retryAfter: RETRY_AFTER });
    }
    for (const name of names) wanted.add(name);
    this.#wantedRefs.set(key, wanted);
    const { otherRefs } = await this.check(repository);
    return new Map(
      names.flatMap((name) => {
        const oid = otherRefs.get(name);
        return oid === undefined ? [] : [[name, oid]];
      }),
    );
  }

  /**
   * Queues a check, as `BackgroundChecks.add`. Failures are events only.
   *
   * @param since a date: what another process of the fleet found out since then will do. Default: as the
   * policy says.
   */
  checkInBackground(
    repository: RepositoryId,
    key: string,
    then: AfterCheck,
    since?: number,
  ): Promise<void> {
    const { maxAge, checkInterval } = this.#policy;
    const date = since ?? Date.now() - Math.max(maxAge, checkInterval);
    return this.#inBackground.add(repository, date, key, then);
  }

  /** Resolves when nothing runs any more. */
  async settled(): Promise<void> {
    await this.#inBackground.settled();
    await this.#running.settled();
  }

  /**
   * While nobody waits for it. Never rejects for what the upstream does.
   *
   * @returns false when another process has been asking for long.
   */
  async #checkUnasked(repository: RepositoryId, since: number): Promise<boolean> {
    if (this.#closing.aborted) return true;
    const ask = async () => (await this.check(repository, true)).digest;
    try {
      if (this.#fleet === undefined) {
        await ask();
        return true;
      }
      const found = await this.#fleet.run(repository, since, ask, this.#closing);
      if (typeof found === 'object') await this.#adopt(repository, found);
      if (found !== 'busy') return true;
      // Soon enough there is an answer, or it can be asked again.
      this.#knowledge(repository).triedAt = performance.now();
      return false;
    } catch (error) {
      if (!(error instanceof SnapshotError)) throw error;
      return true;
    }
  }

  /** Takes what another process was told for what this one was. */
  async #adopt(repository: RepositoryId, { digest, date }: CheckRecord): Promise<void> {
    const known = this.#knowledge(repository);
    if (known.checkedAt !== undefined && known.checkedAt.date >= date) return;
    const isMirrored = this.#mirrors.find(repository)?.revision?.digest === digest;
    const at = momentOf(Math.min(date, Date.now()));
    Object.assign(known, { ...answeredAt(at), digest, isMirrored });
    await this.#refusals.answered(repository, at, this.#closing);
  }

  async #ask(id: RepositoryId, options: FetchOptions): Promise<FetchOutcome> {
    const repository = repositoryOf(id);
    const known = this.#known.get(repositoryKey(repository));
    const before = this.digestOf(repository);
    const startedAt = thisMoment();
    const elapsed = () => performance.now() - startedAt.time;
    if (known !== undefined) known.triedAt = startedAt.time;
    try {
      const outcome = await this.#mirrors.fetch(repository, this.#closing, options);
      // The repository may have been forgotten meanwhile.
      Object.assign(this.#knowledge(repository), {
        ...answeredAt(startedAt),
        digest: outcome.digest,
        isMirrored: outcome.isMirrored,
      });
      await this.#refusals.answered(repository, thisMoment(), this.#closing);
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
      if (known !== undefined || this.#refusals.has(repository)) {
        await this.#refusals.failed(repository, error, known?.checkedAt?.date, this.#closing);
      }
      this.#events.emit('refreshFailed', { repository, milliseconds: elapsed(), error });
      throw error;
    }
  }

  #knowledge(repository: RepositoryId): Knowledge {
    const key = repositoryKey(repository);
    let known = this.#known.get(key);
    if (known === undefined) {
      known = nothingKnown(repository);
      this.#known.set(key, known);
    }
    return known;
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

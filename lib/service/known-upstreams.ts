import { LONG_AGO, type Moment, momentOf, now, type Time, thisMoment } from '../async/clock.js';
import { recentlyUsed } from '../async/recently-used.js';
import type { FreshnessPolicy } from '../config/options.js';
import { toSnapshotError } from '../errors.js';
import type { MirrorManager } from '../mirror/mirrors.js';
import { type RepositoryId, repositoryKey } from '../repository.js';
import type { Refusals } from './refusals.js';
import {
  failureOf,
  isDue,
  isFailing,
  isWithinStaleIfError,
  nextCheckAt,
  type UpstreamState,
} from './upstream-state.js';

/** Upstreams that are known. Clients may request any number of repositories. */
const MAX_KNOWN = 100_000;
/** Former digests that are kept of each upstream. */
const MAX_PAST = 16;

/** The facts that are kept about an upstream. Its mirror and its refusals are kept elsewhere. */
export interface KnownUpstream
  extends Partial<
    Pick<UpstreamState, 'requestedAt' | 'checkedAt' | 'triedAt' | 'failure' | 'failedAt' | 'past'>
  > {
  readonly repository: RepositoryId;
  /** The upstream's digest at the last successful check. */
  readonly digest?: string | undefined;
  /** Whether a mirror had that digest, or a later one, since that check. */
  readonly isMirrored?: boolean;
}

export interface KnownUpstreamParts {
  readonly policy: FreshnessPolicy;
  readonly mirrors: Pick<MirrorManager, 'find' | 'pauseOf'>;
  readonly refusals: Pick<Refusals, 'isForgotten'>;
}

/**
 * The states of the upstreams that this process knows. The least recently used are forgotten: to
 * forget one is as safe as a restart.
 */
export class KnownUpstreams {
  readonly #parts: KnownUpstreamParts;
  readonly #known = recentlyUsed<string, KnownUpstream>(MAX_KNOWN);

  constructor(parts: KnownUpstreamParts) {
    this.#parts = parts;
  }

  /** All repositories that are known. */
  list(): RepositoryId[] {
    const repositories: RepositoryId[] = [];
    this.#known.rforEach(({ repository }) => repositories.push(repository));
    return repositories;
  }

  isKnown(repository: RepositoryId): boolean {
    return this.#known.has(repositoryKey(repository));
  }

  /**
   * Keeps results of checks from now on. @param requestedAt when a client requested it, if ever.
   */
  know(repository: RepositoryId, requestedAt?: Moment): void {
    const { requestedAt: before } = this.#known.peek(repositoryKey(repository)) ?? {};
    const isLater = before === undefined || (requestedAt && before.time < requestedAt.time);
    this.update(repository, { requestedAt: isLater ? requestedAt : before });
  }

  forget(repository: RepositoryId): void {
    this.#known.delete(repositoryKey(repository));
  }

  stateOf(repository: RepositoryId): UpstreamState {
    const known = this.#known.peek(repositoryKey(repository));
    return {
      requestedAt: known?.requestedAt,
      checkedAt: known?.checkedAt,
      triedAt: known?.triedAt,
      failure: known?.failure,
      failedAt: known?.failedAt,
      digest: this.digestOf(repository),
      past: known?.past ?? [],
      head: this.#parts.mirrors.find(repository)?.revision?.head,
      pause: this.#parts.mirrors.pauseOf(repository.host),
      isForgotten: this.#parts.refusals.isForgotten(repository),
    };
  }

  /** The digest of the upstream's HEAD and refs; `undefined`: nothing is known. */
  digestOf(repository: RepositoryId): string | undefined {
    const { digest, isMirrored } = this.#known.peek(repositoryKey(repository)) ?? {};
    const mirrored = this.#parts.mirrors.find(repository)?.revision?.digest;
    return isMirrored ? (mirrored ?? digest) : (digest ?? mirrored);
  }

  /** As `isDue` of a state, for an artifact that is not stored. */
  isDue(repository: RepositoryId): boolean {
    const present = thisMoment();
    return isDue(this.stateOf(repository), this.#parts.policy, present, momentOf(0, present));
  }

  /** As `isFailing` of a state. */
  isFailing(repository: RepositoryId): boolean {
    return isFailing(this.stateOf(repository), this.#parts.policy, thisMoment());
  }

  /** As `nextCheckAt` of a state. */
  nextCheckAt(repository: RepositoryId): Time {
    return nextCheckAt(this.stateOf(repository), this.#parts.policy);
  }

  /** Whether it is too early for the next background check. */
  isThrottled(repository: RepositoryId): boolean {
    return now() < this.nextCheckAt(repository);
  }

  /** Whether a check began after this time or date, and succeeded. */
  wasCheckedSince(
    repository: RepositoryId,
    since: Pick<Moment, 'time'> | Pick<Moment, 'date'>,
  ): boolean {
    const { checkedAt } = this.#known.peek(repositoryKey(repository)) ?? {};
    if (checkedAt === undefined) return false;
    return 'time' in since ? checkedAt.time >= since.time : checkedAt.date >= since.date;
  }

  /** Whether a check that began after this time has ended, with success or not. */
  wasTriedSince(repository: RepositoryId, time: Time): boolean {
    if (this.wasCheckedSince(repository, { time })) return true;
    const { triedAt = LONG_AGO, failedAt = LONG_AGO } =
      this.#known.peek(repositoryKey(repository)) ?? {};
    return triedAt >= time && failedAt >= time;
  }

  /**
   * Notes a successful check that began at a moment.
   *
   * @param isMirrored whether a mirror has the digest.
   */
  noteChecked(repository: RepositoryId, at: Moment, digest: string, isMirrored: boolean): void {
    const before = this.#known.peek(repositoryKey(repository));
    let past = (before?.past ?? []).filter((each) => each.digest !== digest);
    if (before?.digest !== undefined && before.checkedAt && before.digest !== digest) {
      const moved = { digest: before.digest, checkedAt: before.checkedAt, movedAt: at.time };
      past = [moved, ...past].slice(0, MAX_PAST);
    }
    const checked = { checkedAt: at, triedAt: at.time, failure: undefined, failedAt: undefined };
    this.update(repository, { ...checked, digest, isMirrored, past });
  }

  /**
   * Refuses to build from a mirror that is too old to be served while checks fail.
   *
   * @throws SnapshotError the failure of the last check.
   */
  throwIfTooOld(repository: RepositoryId): void {
    const upstream = this.stateOf(repository);
    const present = thisMoment();
    const failure = failureOf(upstream, present);
    const checkedAt = upstream.checkedAt?.time ?? LONG_AGO;
    if (failure === undefined) return;
    if (!isWithinStaleIfError(checkedAt, this.#parts.policy, present)) {
      throw toSnapshotError(failure, repository);
    }
  }

  /** Changes the facts about a repository. If it was unknown, it is known from now on. */
  update(repository: RepositoryId, change: Partial<KnownUpstream>): void {
    const key = repositoryKey(repository);
    this.#known.set(key, { ...this.#known.peek(key), ...change, repository });
  }
}

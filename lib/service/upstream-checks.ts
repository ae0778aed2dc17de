import { unlessAborted } from '../async/abort.js';
import { type Moment, momentOf, now, thisMoment } from '../async/clock.js';
import { SingleFlight } from '../async/single-flight.js';
import { SnapshotError, toSnapshotError } from '../errors.js';
import { Job } from '../events/job.js';
import type { FetchOptions, FetchOutcome } from '../mirror/fetch-mirror.js';
import type { MirrorLease } from '../mirror/mirror.js';
import { totalsOf } from '../pack/ingest.js';
import { type RepositoryId, repositoryKey } from '../repository.js';
import { type AfterCheck, BackgroundChecks } from './background-checks.js';
import type { BaseParts } from './context.js';
import type { CheckRecord, FleetChecks } from './fleet-checks.js';

/** One check looks for at most this many refs outside branches and tags. */
const MAX_WANTED_REFS = 10_000;
/** Seconds after which a client may try again: a check may have ended by then. */
const RETRY_AFTER = 5;

export interface CheckOptions {
  /** Whether no client waits for the check. */
  readonly isBackground?: boolean;
}

export interface UpstreamCheckParts extends BaseParts {
  /** `undefined`: no other process shares the store. */
  readonly fleet: FleetChecks | undefined;
}

/** Checks upstreams. Callers share a check: it belongs to the service and goes on without them. */
export class UpstreamChecks {
  readonly #parts: UpstreamCheckParts;
  readonly #running = new SingleFlight<FetchOutcome>();
  /** By repository: refs outside branches and tags that the next check looks for. */
  readonly #wantedRefs = new Map<string, Set<string>>();
  readonly #background = new BackgroundChecks((...about) => this.#checkInBackground(...about));

  constructor(parts: UpstreamCheckParts) {
    this.#parts = parts;
  }

  /**
   * Leases the mirror, as `MirrorManager.lease`. If this clones the mirror, that counts as a check.
   *
   * @returns also whether this call cloned the mirror.
   */
  async leaseMirror(
    repository: RepositoryId,
    { isBackground = false } = {},
  ): Promise<{ readonly lease: MirrorLease; readonly isCloned: boolean }> {
    const { mirrors, closing } = this.#parts;
    const begunAt = thisMoment();
    let isCloned = false;
    const onClone = () => {
      isCloned = true;
    };
    const lease = await mirrors.lease(repository, closing, { onClone, isBackground });
    if (isCloned) await this.#noteClone(repository, begunAt, lease.revision.digest);
    return { lease, isCloned };
  }

  /**
   * Checks a repository once more if its upstream has refused it for too long.
   *
   * @throws SnapshotError `UPSTREAM_NOT_FOUND`, `UPSTREAM_DENIED` if the upstream still refuses it;
   * the signal's reason.
   */
  async throwIfRefused(repository: RepositoryId, signal: AbortSignal | undefined): Promise<void> {
    const { refusals, known } = this.#parts;
    if (!refusals.isForgotten(repository)) return;
    if (!known.isFailing(repository)) await this.tryCheck(repository, signal);
    refusals.throwIfForgotten(repository);
  }

  /**
   * Checks the upstream. If there is a mirror, fetches the objects that it lacks. The check begins
   * after this call.
   *
   * @throws SnapshotError the failure. It is also an event.
   */
  async check(
    repository: RepositoryId,
    { isBackground = false }: CheckOptions = {},
  ): Promise<FetchOutcome> {
    const key = repositoryKey(repository);
    return await this.#running.joinNext(key, () => {
      const otherRefs = [...(this.#wantedRefs.get(key) ?? [])];
      this.#wantedRefs.delete(key);
      return this.#check(repository, { isBackground, otherRefs });
    });
  }

  /**
   * As `check`, for callers that go on without an answer.
   *
   * @throws the signal's reason; any error that is not a `SnapshotError`.
   */
  async tryCheck(
    repository: RepositoryId,
    signal: AbortSignal | undefined,
    options?: CheckOptions,
  ): Promise<void> {
    try {
      await unlessAborted(this.check(repository, options), signal);
    } catch (error) {
      if (!SnapshotError.is(error) || signal?.aborted) throw error;
    }
  }

  /** Waits for a running check. @throws SnapshotError the failure of the last check. */
  async checked(repository: RepositoryId): Promise<void> {
    await this.#running.running(repositoryKey(repository));
    const { failure } = this.#parts.known.stateOf(repository);
    if (failure !== undefined) throw failure;
  }

  /** Fetches a commit that may be unreachable, for one caller. @returns whether it is there now. */
  async fetchCommit(repository: RepositoryId, commit: string): Promise<boolean> {
    const outcome = await this.#check(repository, { commit });
    return outcome.hasCommit;
  }

  /**
   * As `check`, and finds refs outside branches and tags in the upstream's list.
   *
   * @param names full names, as bytes.
   * @returns full name → id, of the refs that exist.
   * @throws SnapshotError also `OVERLOADED`.
   */
  async checkOtherRefs(
    repository: RepositoryId,
    names: readonly string[],
  ): Promise<ReadonlyMap<string, string>> {
    const key = repositoryKey(repository);
    const wanted = this.#wantedRefs.get(key) ?? new Set();
    if (wanted.size > 0 && wanted.size + names.length > MAX_WANTED_REFS) {
      const message = `over ${MAX_WANTED_REFS} refs of ${key} are being looked for`;
      throw new SnapshotError('OVERLOADED', message, { retryAfter: RETRY_AFTER, repository });
    }
    for (const name of names) wanted.add(name);
    this.#wantedRefs.set(key, wanted);
    const { otherRefs } = await this.check(repository);
    const own = new Set(names);
    return new Map([...otherRefs].filter(([name]) => own.has(name)));
  }

  /**
   * Queues a background check, as `BackgroundChecks.add`. Failures are events only.
   *
   * @param since default: as the policy says.
   */
  checkInBackground(
    repository: RepositoryId,
    key: string,
    then: AfterCheck,
    since?: number,
  ): Promise<void> {
    const { maxAge, checkInterval } = this.#parts.policy;
    const date = since ?? Date.now() - Math.max(maxAge, checkInterval);
    return this.#background.add(repository, date, key, then);
  }

  /** Resolves when no check runs. */
  async settled(): Promise<void> {
    await this.#background.settled();
    await this.#running.settled();
  }

  /** Ignores failures of the upstream. @returns false if another process checks for too long. */
  async #checkInBackground(repository: RepositoryId, since: number): Promise<boolean> {
    const { known, fleet, closing } = this.#parts;
    if (closing.aborted) return true;
    const check = async () => (await this.check(repository, { isBackground: true })).digest;
    try {
      const found = fleet && (await fleet.run(repository, since, check, closing));
      if (found === undefined) await check();
      if (typeof found === 'object') await this.#adopt(repository, found);
      if (found !== 'busy') return true;
      // The other process's check should have ended by the next try.
      known.update(repository, { triedAt: now() });
      return false;
    } catch (error) {
      if (!SnapshotError.is(error)) throw error;
      return true;
    }
  }

  /** Takes the result of another process's check. */
  async #adopt(repository: RepositoryId, { digest, date }: CheckRecord): Promise<void> {
    const { known, mirrors, refusals, closing } = this.#parts;
    const { checkedAt } = known.stateOf(repository);
    if (checkedAt !== undefined && checkedAt.date >= date) return;
    const isMirrored = mirrors.find(repository)?.revision?.digest === digest;
    const at = momentOf(Math.min(date, Date.now()));
    known.noteChecked(repository, at, digest, isMirrored);
    await refusals.answered(repository, at, closing);
  }

  /** Notes a clone that began at `at`. Never rejects. */
  async #noteClone(repository: RepositoryId, at: Moment, digest: string): Promise<void> {
    const { known, refusals, closing } = this.#parts;
    const { checkedAt } = known.stateOf(repository);
    // A later check knows more.
    if (checkedAt !== undefined && checkedAt.time > at.time) return;
    known.noteChecked(repository, at, digest, true);
    await refusals.answered(repository, at, closing);
  }

  async #check(repository: RepositoryId, options: FetchOptions): Promise<FetchOutcome> {
    const { known, mirrors, refusals, events, closing } = this.#parts;
    // If it can't be read at the moment, the check goes on without it.
    await mirrors.open(repository, closing).catch(() => undefined);
    const { checkedAt, digest: before } = known.stateOf(repository);
    // Names that clients make up must not fill the memory.
    const isKept = known.isKnown(repository);
    const begunAt = thisMoment();
    const job = new Job(events, { kind: 'fetch', repository, artifact: undefined });
    if (isKept) known.update(repository, { triedAt: begunAt.time });
    try {
      const outcome = await mirrors.fetch(repository, closing, { ...options, job });
      const { digest, isMirrored, packs } = outcome;
      known.noteChecked(repository, begunAt, digest, isMirrored);
      await refusals.answered(repository, thisMoment(), closing);
      job.succeed({ changed: digest !== before, ...totalsOf(packs) });
      return outcome;
    } catch (cause) {
      const error = toSnapshotError(cause, repository);
      // The repository may have been forgotten meanwhile.
      if (known.isKnown(repository)) known.update(repository, { failure: error, failedAt: now() });
      if (isKept || refusals.has(repository)) {
        await refusals.failed(repository, error, checkedAt?.date, closing);
      }
      // A failure before the turn is reported as well.
      if (!closing.aborted) job.start();
      job.fail(error);
      throw error;
    }
  }
}

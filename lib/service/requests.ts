import type {
  ArtifactOutcome,
  BuiltArtifact,
  GetOptions,
  OpenedArtifact,
  OpenStoredOptions,
  StatStoredOptions,
  StoredArtifact,
} from '../artifact/artifact.js';
import { type ArtifactId, isFixed } from '../artifact/id.js';
import { unlessAborted } from '../async/abort.js';
import { after, now, type Time } from '../async/clock.js';
import { retry } from '../async/retry.js';
import { isUpstreamFailure, SnapshotError } from '../errors.js';
import type { Action } from './decide.js';
import { Decisions, type View } from './decisions.js';
import type { Refresher, RefresherParts } from './refresher.js';
import { isCurrent, knownCurrentAt } from './staleness.js';
import type { Found, ReadableArtifact } from './stored-artifacts.js';
import { isOverdue } from './upstream-state.js';

/** Attempts of one request: a stored artifact may be gone again before the request opens it. */
const MAX_ATTEMPTS = 5;
/** Milliseconds that a client waits until a finished artifact is stored; then it gets the build. */
const MAX_STORING = 1000;

export interface RequestParts extends RefresherParts {
  readonly refresher: Refresher;
}

/** A request that waits for its artifact. */
interface PendingRequest {
  readonly id: ArtifactId;
  readonly signal: AbortSignal | undefined;
  readonly requestedAt: Time;
  /** Whether the upstream was checked for the request, or need not be. */
  isChecked: boolean;
  /** When that was known. */
  checkedAt: Time;
  /** Set when the event `miss` was emitted. */
  missed: 'miss' | 'joined' | undefined;
}

/** Answers requests for artifacts, by the store or a build, as `decide` says. Ids are canonical. */
export class Requests {
  readonly #parts: RequestParts;
  readonly #decisions: Decisions;

  constructor(parts: RequestParts) {
    this.#parts = parts;
    this.#decisions = new Decisions(parts);
  }

  /** As `SnapshotService.statStored`. */
  async statStored(
    id: ArtifactId,
    options: StatStoredOptions = {},
  ): Promise<StoredArtifact | undefined> {
    const { revalidate = false, etags, signal } = options;
    if (etags !== undefined) return await this.#statVersion(id, etags, signal);
    if (revalidate) return await this.#statServed(id, options);
    const { builds, stored } = this.#parts;
    await builds.untilStored(id);
    return this.#isForgotten(id) ? undefined : (await stored.stat(id, { signal }))?.artifact;
  }

  async openStored(
    id: ArtifactId,
    options: OpenStoredOptions = {},
  ): Promise<OpenedArtifact | undefined> {
    const { builds, stored } = this.#parts;
    await builds.untilStored(id, MAX_STORING);
    const found = this.#isForgotten(id) ? undefined : await stored.open(id, options);
    return found && withOutcome(found, this.#hit(id, found, this.#decisions.view(id)));
  }

  async #statVersion(
    id: ArtifactId,
    etags: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<StoredArtifact | undefined> {
    const { builds, stored, refresher } = this.#parts;
    await builds.untilStored(id, MAX_STORING);
    if (this.#isForgotten(id)) return undefined;
    const artifact = await stored.statVersion(id, etags, { signal });
    if (artifact !== undefined) refresher.noteRequest(id.repository);
    return artifact;
  }

  /** Describes the stored artifact if it may be served. `undefined`: `get` has to build. */
  async #statServed(
    id: ArtifactId,
    { signal, checkedSince = now() }: GetOptions,
  ): Promise<StoredArtifact | undefined> {
    const { builds, stored } = this.#parts;
    await this.#throwIfRefused(id, signal);
    for (let isChecked = this.#isChecked(id, checkedSince as Time); ; isChecked = true) {
      await builds.untilStored(id, MAX_STORING);
      const found = await stored.stat(id, { signal });
      const action = this.#decisions.decide(id, found, isChecked, this.#decisions.view(id));
      this.#decisions.throwIfFailed(id, action);
      if (action === 'check-first') {
        await this.#check(id, found, signal);
        continue;
      }
      if (found === undefined || !isServed(action)) return undefined;
      this.#refreshAsDecided(id, action);
      return found.artifact;
    }
  }

  /** As `SnapshotService.get`. */
  async get(
    id: ArtifactId,
    { signal, checkedSince = now() }: GetOptions = {},
  ): Promise<OpenedArtifact | BuiltArtifact> {
    const requestedAt = checkedSince as Time;
    await this.#throwIfRefused(id, signal);
    const isChecked = this.#isChecked(id, requestedAt) || (await this.#checkIfOverdue(id, signal));
    const request = { id, signal, requestedAt, isChecked, checkedAt: now(), missed: undefined };
    return await retry(
      MAX_ATTEMPTS,
      () => this.#serveOrBuild(request),
      () => new SnapshotError('STORE_FAILED', 'the store keeps losing what it says it has'),
    );
  }

  /** @returns `undefined`: the artifact should be in the store by now. */
  async #serveOrBuild(
    request: PendingRequest,
  ): Promise<OpenedArtifact | BuiltArtifact | undefined> {
    const { id, signal, requestedAt } = request;
    const { events, known, policy, stored, builds, refresher, stopping } = this.#parts;
    await builds.untilStored(id, MAX_STORING);
    const found = await stored.open(id, { signal });
    const view = this.#decisions.view(id);
    const action = this.#decisions.decide(id, found, request.isChecked, view);
    if (found !== undefined && isServed(action)) {
      this.#refreshAsDecided(id, action);
      const outcome = this.#hit(id, found, view);
      return withOutcome(found, request.missed ?? outcome);
    }
    found?.artifact.body.destroy();
    this.#decisions.throwIfFailed(id, action);
    request.isChecked = true;
    if (action === 'check-first') {
      await this.#check(id, found, signal);
      request.checkedAt = now();
      return undefined;
    }
    // The store may have ignored the signal: no work begins for a client that has left.
    signal?.throwIfAborted();
    const coalesced = builds.find(id) !== undefined;
    const reason = found === undefined ? 'absent' : 'stale';
    const miss = { repository: id.repository, artifact: id, reason, coalesced } as const;
    if (request.missed === undefined) events.emit('miss', miss);
    request.missed ??= coalesced ? 'joined' : 'miss';
    if (!coalesced) stopping.throwIfAborted();
    const build = builds.begin(id, requestedAt);
    // A running build may have read refs that are too old to be served.
    const oldest = after(request.checkedAt, -policy.staleWhileRevalidate);
    if (!isFixed(id) && !build.isSince(oldest, known.digestOf(id.repository))) {
      await unlessAborted(build.done, signal);
      return undefined;
    }
    const outcome = await build.outcome(signal).catch((error: unknown) => {
      // The upstream may have newer refs, but can't give them now: serve the stale artifact.
      const mayServe = found !== undefined && isUpstreamFailure(error);
      if (mayServe && this.#decisions.mayServeOnError(id, found)) return undefined;
      throw error;
    });
    if (outcome === undefined) return await this.openStored(id, { signal });
    refresher.noteRequest(id.repository);
    if (outcome.kind === 'building') {
      const body = outcome.spool.createReader(signal);
      if (body !== undefined) {
        return { ...outcome.info, source: 'build', outcome: request.missed, body };
      }
    }
    await unlessAborted(build.done, signal);
    return undefined;
  }

  /** Notes a hit that the storage or a web server serves. */
  noteHit(id: ArtifactId, artifact: StoredArtifact): void {
    this.#hit(id, this.#parts.stored.found(id, artifact), this.#decisions.view(id));
  }

  /** Whether a check for the request has ended, or none may begin. */
  #isChecked({ repository }: ArtifactId, requestedAt: Time): boolean {
    const { known, stopping } = this.#parts;
    return stopping.aborted || known.wasTriedSince(repository, requestedAt);
  }

  /** @throws SnapshotError the refusal, before the store is called; the signal's reason. */
  async #throwIfRefused({ repository }: ArtifactId, signal: AbortSignal | undefined) {
    const { checks, refusals, stopping } = this.#parts;
    if (stopping.aborted) refusals.throwIfForgotten(repository);
    else await checks.throwIfRefused(repository, signal);
  }

  /**
   * If the last check is overdue: reads the description of the stored artifact, and checks the upstream
   * if `decide` says so. That costs less than opening an artifact that may not be served.
   *
   * @returns whether no later decision needs a check.
   */
  async #checkIfOverdue(id: ArtifactId, signal: AbortSignal | undefined): Promise<boolean> {
    const { policy, stored, builds } = this.#parts;
    const { upstream, present } = this.#decisions.view(id);
    if (isFixed(id) || !isOverdue(upstream, policy, present)) return false;
    await builds.untilStored(id, MAX_STORING);
    const found = await stored.stat(id, { signal });
    if (this.#decisions.decide(id, found, false, this.#decisions.view(id)) === 'check-first')
      await this.#check(id, found, signal);
    return true;
  }

  /** Checks the upstream for a client. @throws SnapshotError the refusal; the signal's reason. */
  async #check(
    { repository }: ArtifactId,
    found: Found<StoredArtifact> | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { known, checks, refusals } = this.#parts;
    // A stored repository was not made up by a client: its failures and refusals are remembered.
    if (found !== undefined) known.know(repository);
    await checks.tryCheck(repository, signal);
    refusals.throwIfForgotten(repository);
  }

  #refreshAsDecided(id: ArtifactId, action: Action): void {
    const { refresher } = this.#parts;
    refresher.noteRequest(id.repository);
    if (action === 'serve-and-check') refresher.checkSoon(id);
    if (action === 'serve-and-build') refresher.rebuildSoon(id);
  }

  #isForgotten({ repository }: ArtifactId): boolean {
    return this.#parts.refusals.isForgotten(repository);
  }

  #hit(id: ArtifactId, found: Found<StoredArtifact>, view: View): 'hit' | 'stale' {
    const { events, policy } = this.#parts;
    const { upstream, present } = view;
    const { etag, size } = found.artifact;
    const age = present.time - knownCurrentAt(id, found, upstream, policy, present);
    const stale = !isCurrent(id, found, upstream, policy);
    events.emit('hit', {
      repository: id.repository,
      artifact: id,
      etag,
      size,
      // If the clock was set back, nobody knows the age: 0, as RFC 9111, section 4.2.3 has it.
      ageMs: Number.isFinite(age) ? age : 0,
      stale,
    });
    return stale ? 'stale' : 'hit';
  }
}

function withOutcome(
  { artifact }: Found<ReadableArtifact>,
  outcome: ArtifactOutcome,
): OpenedArtifact {
  return { ...artifact, source: 'store', outcome };
}

function isServed(action: Action): boolean {
  return action === 'serve' || action === 'serve-and-check' || action === 'serve-and-build';
}

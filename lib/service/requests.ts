import type {
  GeneratedArtifact,
  GetOptions,
  OpenArtifactOptions,
  OpenedArtifact,
  Representation,
  StoredArtifact,
} from '../artifact/artifact.js';
import { type ArtifactId, isFixed } from '../artifact/id.js';
import { unlessAborted } from '../async/abort.js';
import { after, now, type Time, thisMoment } from '../async/clock.js';
import { retry } from '../async/retry.js';
import { isUpstreamFailure, SnapshotError } from '../errors.js';
import { type Action, decide, mayServeOnError } from './decide.js';
import type { Refresher, RefresherParts } from './refresher.js';
import type { Found } from './stored-artifacts.js';
import { failureOf, isOverdue } from './upstream-state.js';

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
  /** Whether the event `miss` was emitted. */
  hasMissed: boolean;
}

/** Answers requests for artifacts, by the store or a build, as `decide` says. Ids are canonical. */
export class Requests {
  readonly #parts: RequestParts;

  constructor(parts: RequestParts) {
    this.#parts = parts;
  }

  async stat(id: ArtifactId, { signal }: GetOptions = {}): Promise<StoredArtifact | undefined> {
    const { builds, stored } = this.#parts;
    await builds.untilStored(id, signal);
    return this.#isForgotten(id) ? undefined : (await stored.stat(id, { signal }))?.artifact;
  }

  async open(
    id: ArtifactId,
    options: OpenArtifactOptions = {},
  ): Promise<OpenedArtifact | undefined> {
    const { builds, stored } = this.#parts;
    await builds.untilStored(id, options.signal, MAX_STORING);
    const found = this.#isForgotten(id) ? undefined : await stored.open(id, options);
    return found && this.#hit(found.artifact);
  }

  /** As `ArtifactSource.pinned`. */
  async pinned(
    id: ArtifactId,
    etags: readonly string[],
    { signal }: GetOptions = {},
  ): Promise<StoredArtifact | undefined> {
    const { builds, stored, refresher } = this.#parts;
    await builds.untilStored(id, signal, MAX_STORING);
    if (this.#isForgotten(id)) return undefined;
    const artifact = await stored.pinned(id, etags, { signal });
    if (artifact !== undefined) refresher.noteRequest(id.repository);
    return artifact;
  }

  /** As `ArtifactSource.current`. */
  async current(id: ArtifactId, { signal }: GetOptions = {}): Promise<StoredArtifact | undefined> {
    const { builds, stored, stopping } = this.#parts;
    await this.#throwIfRefused(id, signal);
    for (let isChecked = stopping.aborted; ; isChecked = true) {
      await builds.untilStored(id, signal, MAX_STORING);
      const found = await stored.stat(id, { signal });
      const action = this.#decide(id, found, isChecked);
      this.#throwIfFailed(id, action);
      if (action === 'check-first') {
        await this.#check(id, found, signal);
        continue;
      }
      if (found === undefined || !isServed(action)) return undefined;
      this.#refreshAsDecided(id, action);
      return found.artifact;
    }
  }

  /** As `ArtifactSource.get`. */
  async get(
    id: ArtifactId,
    { signal }: GetOptions = {},
  ): Promise<OpenedArtifact | GeneratedArtifact> {
    const { stopping } = this.#parts;
    const requestedAt = now();
    await this.#throwIfRefused(id, signal);
    const isChecked = stopping.aborted || (await this.#checkIfOverdue(id, signal));
    const request = { id, signal, requestedAt, isChecked, checkedAt: now(), hasMissed: false };
    return await retry(
      MAX_ATTEMPTS,
      () => this.#serveOrBuild(request),
      () => new SnapshotError('STORE_FAILED', 'the store keeps losing what it says it has'),
    );
  }

  /** @returns `undefined`: the artifact should be in the store by now. */
  async #serveOrBuild(
    request: PendingRequest,
  ): Promise<OpenedArtifact | GeneratedArtifact | undefined> {
    const { id, signal, requestedAt } = request;
    const { events, known, policy, stored, builds, refresher, stopping } = this.#parts;
    await builds.untilStored(id, signal, MAX_STORING);
    const found = await stored.open(id, { signal });
    const action = this.#decide(id, found, request.isChecked);
    if (found !== undefined && isServed(action)) {
      this.#refreshAsDecided(id, action);
      return this.#hit(found.artifact);
    }
    found?.artifact.body.destroy();
    this.#throwIfFailed(id, action);
    request.isChecked = true;
    if (action === 'check-first') {
      await this.#check(id, found, signal);
      request.checkedAt = now();
      return undefined;
    }
    const joined = builds.find(id) !== undefined;
    if (!request.hasMissed) events.emit('miss', { repository: id.repository, joined });
    request.hasMissed = true;
    if (!joined) stopping.throwIfAborted();
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
      if (mayServe && this.#mayServeOnError(id, found)) return undefined;
      throw error;
    });
    if (outcome === undefined) return await this.open(id, { signal });
    refresher.noteRequest(id.repository);
    if (outcome.kind === 'building') {
      const body = outcome.spool.createReader(signal);
      if (body !== undefined) return { ...outcome.info, source: 'generation', body };
    }
    await unlessAborted(build.done, signal);
    return undefined;
  }

  /** As `ArtifactSource.urlOf`. */
  async urlOf(
    id: ArtifactId,
    artifact: StoredArtifact,
    about: Representation,
  ): Promise<string | undefined> {
    const url = await this.#parts.stored.urlOf(id, { ...about, revision: artifact.revision });
    if (url !== undefined) this.#hit(artifact);
    return url;
  }

  /** @throws SnapshotError the refusal, before the store is asked; the signal's reason. */
  async #throwIfRefused({ repository }: ArtifactId, signal: AbortSignal | undefined) {
    const { checks, refusals, stopping } = this.#parts;
    if (stopping.aborted) refusals.throwIfForgotten(repository);
    else await checks.throwIfRefused(repository, signal);
  }

  /**
   * Checks the upstream first if that is likely to be needed, and is: to look into the store costs
   * less than to open an artifact in vain.
   *
   * @returns whether no later decision needs a check.
   */
  async #checkIfOverdue(id: ArtifactId, signal: AbortSignal | undefined): Promise<boolean> {
    const { known, policy, stored, builds } = this.#parts;
    if (isFixed(id) || !isOverdue(known.stateOf(id.repository), policy, thisMoment())) return false;
    await builds.untilStored(id, signal, MAX_STORING);
    const found = await stored.stat(id, { signal });
    if (this.#decide(id, found, false) === 'check-first') await this.#check(id, found, signal);
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

  #decide(id: ArtifactId, found: Found<StoredArtifact> | undefined, isChecked: boolean): Action {
    const { policy, known, builds } = this.#parts;
    const progress = { isChecked, isBuilding: builds.find(id) !== undefined };
    return decide(id, found, known.stateOf(id.repository), policy, thisMoment(), progress);
  }

  /** @throws SnapshotError the refusal or the last check's failure, if the decision is to fail. */
  #throwIfFailed({ repository }: ArtifactId, action: Action): void {
    const { known, refusals } = this.#parts;
    if (action === 'refuse') refusals.throwIfForgotten(repository);
    const failure = failureOf(known.stateOf(repository), thisMoment());
    if (action === 'fail' && failure !== undefined) throw failure;
  }

  #mayServeOnError(id: ArtifactId, found: Found<StoredArtifact>): boolean {
    const { known, policy } = this.#parts;
    return mayServeOnError(id, found, known.stateOf(id.repository), policy, thisMoment());
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

  #hit<T extends StoredArtifact>(artifact: T): T {
    const { repository, etag, size } = artifact;
    this.#parts.events.emit('hit', { repository, etag, size });
    return artifact;
  }
}

function isServed(action: Action): boolean {
  return action === 'serve' || action === 'serve-and-check' || action === 'serve-and-build';
}

import type { EventEmitter } from 'node:events';
import {
  type ArtifactId,
  type GeneratedArtifact,
  type GetOptions,
  isBundle,
  isFixed,
  type OpenArtifactOptions,
  type OpenedArtifact,
  type Representation,
  type StoredArtifact,
} from '../artifact/artifact.js';
import { unlessAborted } from '../async/abort.js';
import { thisMoment } from '../async/clock.js';
import { orLater } from '../async/deadline.js';
import { isUpstreamFailure, SnapshotError } from '../errors.js';
import type { SnapshotEvents } from '../events/events.js';
import type { MirrorManager } from '../mirror/mirrors.js';
import { repositoryOf } from '../repository.js';
import { admit } from './admit.js';
import type { Build } from './build.js';
import type { Builds } from './builds.js';
import type { Refresher } from './refresher.js';
import type { Refusals } from './refusals.js';
import type { Found, StoredArtifacts } from './stored-artifacts.js';
import type { UpstreamChecks } from './upstream-checks.js';

/** An artifact that somebody else stored may be gone again; then it is our turn to generate it. */
const MAX_ATTEMPTS = 5;
/** Milliseconds that a store may take to be waited for by who can have the bytes without it. */
const MAX_STORING = 1000;

export interface RequestParts {
  readonly events: EventEmitter<SnapshotEvents>;
  readonly mirrors: MirrorManager;
  readonly checks: UpstreamChecks;
  readonly refusals: Refusals;
  readonly stored: StoredArtifacts;
  readonly builds: Builds;
  readonly refresher: Refresher;
}

/**
 * Answers questions for artifacts: from the store as long as the policy allows, else by generating. Ids are
 * canonical.
 */
export class Requests {
  readonly #events: EventEmitter<SnapshotEvents>;
  readonly #mirrors: MirrorManager;
  readonly #checks: UpstreamChecks;
  readonly #refusals: Refusals;
  readonly #stored: StoredArtifacts;
  readonly #builds: Builds;
  readonly #refresher: Refresher;
  #isClosing = false;

  constructor(parts: RequestParts) {
    this.#events = parts.events;
    this.#mirrors = parts.mirrors;
    this.#checks = parts.checks;
    this.#refusals = parts.refusals;
    this.#stored = parts.stored;
    this.#builds = parts.builds;
    this.#refresher = parts.refresher;
  }

  /** Begins nothing new from now on: only what is stored, or runs, is served. */
  close(): void {
    this.#isClosing = true;
  }

  async stat(id: ArtifactId, { signal }: GetOptions = {}): Promise<StoredArtifact | undefined> {
    await this.untilStored(id, signal);
    if (this.#refusals.isOver(id)) return undefined;
    return (await this.#stored.stat(id, { signal }))?.artifact;
  }

  async open(
    id: ArtifactId,
    options: OpenArtifactOptions = {},
  ): Promise<OpenedArtifact | undefined> {
    await this.untilStored(id, options.signal, MAX_STORING);
    if (this.#refusals.isOver(id)) return undefined;
    const found = await this.#stored.open(id, options);
    return found && this.#hit(found.artifact);
  }

  /** As `ArtifactSource.pinned`. */
  async pinned(
    id: ArtifactId,
    etags: readonly string[],
    { signal }: GetOptions = {},
  ): Promise<StoredArtifact | undefined> {
    await this.untilStored(id, signal, MAX_STORING);
    if (this.#refusals.isOver(id)) return undefined;
    const artifact = await this.#stored.pinned(id, etags, { signal });
    if (artifact !== undefined) this.note(id);
    return artifact;
  }

  async current(id: ArtifactId, { signal }: GetOptions = {}): Promise<StoredArtifact | undefined> {
    await this.#admit(id, signal);
    await this.untilStored(id, signal, MAX_STORING);
    await this.#checkFirst(id, signal);
    const found = await this.#stored.stat(id, { signal });
    return found !== undefined && this.#mayServe(id, found) ? found.artifact : undefined;
  }

  /**
   * @throws SnapshotError any of `UPSTREAM_*`, `REPOSITORY_*`, `REF_NOT_FOUND`, `BASE_NOT_FOUND`,
   * `LIMIT_EXCEEDED`, `STORE_FAILED`, `STORAGE_FULL`, `OVERLOADED`, `TOO_MANY_VARIANTS`, `LOCK_FAILED`,
   * `FORBIDDEN`, `INVALID_REQUEST`, `CLOSED`, `INTERNAL`; the signal's reason.
   */
  async get(
    id: ArtifactId,
    { signal }: GetOptions = {},
  ): Promise<OpenedArtifact | GeneratedArtifact> {
    await this.#admit(id, signal);
    const askedAt = performance.now();
    let checkedAt: number | undefined;
    let isMiss = false;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      await this.untilStored(id, signal, MAX_STORING);
      if (attempt === 0) await this.#checkFirst(id, signal);
      checkedAt ??= performance.now();
      const found = await this.#stored.open(id, { signal });
      if (found !== undefined) {
        if (this.#mayServe(id, found)) return this.#hit(found.artifact);
        found.artifact.body.destroy();
      }
      if (!isMiss) this.#emitMiss(id);
      isMiss = true;
      const generation = this.#generation(id, askedAt);
      const digest = this.#checks.digestOf(id);
      if (this.#checks.isStrict && !generation.isSince(checkedAt, digest)) {
        await unlessAborted(generation.done, signal);
        continue;
      }
      const outcome = await generation.outcome(signal).catch((error: unknown) => {
        // What was known of the upstream says that there is something new, but it can't be had.
        if (found !== undefined && isUpstreamFailure(error)) return undefined;
        throw error;
      });
      if (outcome === undefined) {
        const stale = await this.open(id, { signal });
        if (stale !== undefined) return stale;
        continue;
      }
      this.note(id);
      if (outcome.kind === 'generating') {
        const body = outcome.spool.createReader(signal);
        if (body !== undefined) return { ...outcome.info, source: 'generation', body };
      }
      // What it left is in the store. If not, the next generation is ours, once this one is over.
      await unlessAborted(generation.done, signal);
    }
    throw new SnapshotError('STORE_FAILED', 'the store keeps losing what it says it has');
  }

  /**
   * Waits while an artifact that is complete is put into the store: whoever has read it to its end
   * shall find it there.
   *
   * @param milliseconds after which it is not waited for, since it was complete. Default: as long as it takes.
   */
  async untilStored(
    id: ArtifactId,
    signal: AbortSignal | undefined,
    milliseconds?: number,
  ): Promise<void> {
    const generation = this.#builds.find(id);
    if (generation?.storingSince === undefined) return;
    const until = generation.storingSince + (milliseconds ?? Number.POSITIVE_INFINITY);
    const left = until - performance.now();
    if (left <= 0) return;
    const done = unlessAborted(generation.done, signal);
    await (milliseconds === undefined ? done : orLater(done, left));
  }

  /** A client asked for something that is there. */
  note(id: ArtifactId): void {
    this.#checks.know(id, thisMoment());
    this.#refresher.keepWarm(id);
    // Only the order of eviction suffers when it can't be noted.
    this.#mirrors.touch(id).catch(() => {});
  }

  #admit(id: ArtifactId, signal: AbortSignal | undefined): Promise<void> {
    return admit(id, { checks: this.#checks, refusals: this.#refusals }, signal);
  }

  /** Mode `strict`: an upstream that was not asked lately is, before anything is served. */
  async #checkFirst(id: ArtifactId, signal: AbortSignal | undefined): Promise<void> {
    if (!this.#checks.isStrict || this.#isClosing || isFixed(id)) return;
    const found = await this.#stored.stat(id, { signal });
    // What is generated from now on is as fresh as it has to be; what is being cloned may not be.
    if (found === undefined && this.#builds.find(id) === undefined) return;
    // What is stored is no name that a client made up: that it is refused, or fails, is remembered.
    if (found !== undefined) this.#checks.know(id);
    if (!this.#checks.isDue(id, found?.artifact.storedAt)) return;
    await unlessAborted(this.#checks.check(id), signal).catch((error: unknown) => {
      // What is stored is served all the same.
      if (!(error instanceof SnapshotError) || signal?.aborted) throw error;
    });
    // Unless the upstream has refused it for too long by now.
    this.#refusals.throwIfOver(id);
  }

  /**
   * Whether something stored may be served. Mode `strict`: if it is current, by the question that came
   * first, or if that failed. Mode `stale-while-revalidate`: in any case, and what is to be done about its
   * age happens meanwhile; only bundles have to be current.
   */
  #mayServe(id: ArtifactId, found: Found<StoredArtifact>): boolean {
    this.note(id);
    const isCurrent = this.#stored.isCurrent(id, found, this.#checks.stateOf(id));
    if (isFixed(id)) {
      if (!isCurrent) this.#refresher.rebuildSoon(id);
      else if (this.#stored.isPastRetention(found.artifact)) this.#checkIfDue(id, found);
      return true;
    }
    if (this.#checks.isStrict) {
      if (isCurrent || isBundle(id) || !this.#checks.hasFailed(id)) return isCurrent;
      this.#refresher.rebuildSoon(id);
      return !found.isOfOtherFormat;
    }
    const isChecked = this.#checkIfDue(id, found);
    if (!isChecked && !isCurrent && !isBundle(id)) this.#refresher.rebuildSoon(id);
    return isCurrent || !isBundle(id);
  }

  /** Has the upstream asked in the background. @returns false unless it is time for that. */
  #checkIfDue(id: ArtifactId, { artifact }: Found<StoredArtifact>): boolean {
    const isDue = this.#checks.isDue(id, artifact.storedAt) && !this.#checks.isThrottled(id);
    if (isDue) this.#refresher.checkSoon(id);
    return isDue;
  }

  /** As `ArtifactSource.urlOf`. */
  async urlOf(
    id: ArtifactId,
    artifact: StoredArtifact,
    about: Representation,
  ): Promise<string | undefined> {
    const url = await this.#stored.urlOf(id, { ...about, revision: artifact.revision });
    if (url !== undefined) this.#hit(artifact);
    return url;
  }

  #hit<T extends StoredArtifact>(artifact: T): T {
    const { repository, etag, size } = artifact;
    this.#events.emit('hit', { repository, etag, size });
    return artifact;
  }

  #emitMiss(id: ArtifactId): void {
    const joined = this.#builds.find(id) !== undefined;
    this.#events.emit('miss', { repository: repositoryOf(id), joined });
  }

  /** The generation of this artifact that runs, else one that begins now. */
  #generation(id: ArtifactId, askedAt: number): Build {
    if (this.#isClosing && this.#builds.find(id) === undefined) {
      throw new SnapshotError('CLOSED', 'the service is closed or closing');
    }
    return this.#builds.begin(id, askedAt);
  }
}

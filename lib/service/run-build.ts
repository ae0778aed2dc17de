import type { EventEmitter } from 'node:events';
import type { StoredArtifact } from '../artifact/artifact.js';
import { type ArtifactId, isByCommit, isVariant } from '../artifact/id.js';
import { artifactKey } from '../artifact/key.js';
import { unlessAborted } from '../async/abort.js';
import { elapsedSince, now, type Time } from '../async/clock.js';
import { FailureCache } from '../async/failure-cache.js';
import type { FreshnessPolicy, SnapshotConfig } from '../config/options.js';
import { SnapshotError, toSnapshotError } from '../errors.js';
import type { SnapshotEvents } from '../events/events.js';
import type { Lock, LockRegistry } from '../locks/registry.js';
import type { MirrorLease } from '../mirror/mirror.js';
import { keepsVanishing, type MirrorManager } from '../mirror/mirrors.js';
import { isNotFound } from '../writer/write-context.js';
import type { ArtifactWriter } from './artifact-writer.js';
import type { BuildEnd, BuildOrder, Progress } from './build.js';
import { isMirrorFresh, leaseForBuild } from './build-lease.js';
import { isCurrent } from './decide.js';
import type { RefFinder } from './find-ref.js';
import type { KnownUpstreams } from './known-upstreams.js';
import type { PendingLimits } from './pending-limits.js';
import type { Refusals } from './refusals.js';
import type { Found, StoredArtifacts } from './stored-artifacts.js';
import type { UpstreamChecks } from './upstream-checks.js';

/** A build while it runs. */
interface Run extends BuildOrder {
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** The stored artifact, unless it counts as not stored. */
  found: Found<StoredArtifact> | undefined;
  /** The stored version; `null`: there is none. */
  version: string | null;
  /** When the build got its turn; `undefined` while a failure is no event. */
  begunAt: Time | undefined;
  /** Whether the mirror has the refs of a check that is recent enough. */
  isMirrorFresh: boolean;
}

/** Failures that repeat with every build of the same refs. */
const FOLLOWS_FROM_REFS = ['LIMIT_EXCEEDED', 'REPOSITORY_INVALID', 'UPSTREAM_INVALID'] as const;

/** A mirror may turn out to be damaged, or to lack a ref that the upstream has by now. */
const MAX_ATTEMPTS = 3;

export interface BuildParts {
  readonly config: SnapshotConfig;
  readonly events: EventEmitter<SnapshotEvents>;
  readonly mirrors: MirrorManager;
  readonly policy: FreshnessPolicy;
  readonly known: KnownUpstreams;
  readonly checks: UpstreamChecks;
  readonly refusals: Refusals;
  readonly writer: ArtifactWriter;
  readonly stored: StoredArtifacts;
  readonly pending: PendingLimits;
  readonly locks: LockRegistry;
  readonly refFinder: RefFinder;
  /** Resolves when the directories exist. */
  readonly started: () => Promise<void>;
  readonly closing: AbortSignal;
}

/** Runs builds: takes the lock, leases the mirror, writes the artifact, and stores it. */
export class BuildRuns {
  readonly #parts: BuildParts;
  readonly #goesOn: (work: Promise<unknown>) => void;
  /** By artifact and digest of the refs. */
  readonly #failures: FailureCache;

  /**
   * @param goesOn called with work that goes on after its build was dropped. The work never
   * rejects.
   */
  constructor(parts: BuildParts, goesOn: (work: Promise<unknown>) => void) {
    this.#parts = parts;
    this.#goesOn = goesOn;
    this.#failures = new FailureCache(parts.config.limits.failureMemory);
  }

  /** @throws SnapshotError the failure of the build. */
  async run(order: BuildOrder, progress: Progress): Promise<BuildEnd> {
    const { started, closing } = this.#parts;
    const signal = AbortSignal.any([closing, progress.dropped]);
    await unlessAborted(started(), signal);
    const lock = await this.#lock(order.id, signal);
    try {
      // If the lock is lost, the build goes on. Another process may build the artifact as well: the
      // store keeps the first result.
      return await this.#runLocked(order, signal, progress);
    } finally {
      await lock.release();
    }
  }

  async #lock(id: ArtifactId, signal: AbortSignal): Promise<Lock> {
    const waitingSince = now();
    try {
      return await this.#parts.locks.acquire(artifactKey(id), { signal });
    } catch (cause) {
      if (!signal.aborted) this.#reportFailure(id, waitingSince, cause);
      throw cause;
    }
  }

  async #runLocked(order: BuildOrder, signal: AbortSignal, progress: Progress): Promise<BuildEnd> {
    const { id, isForced } = order;
    const { policy, stored, known, writer, mirrors } = this.#parts;
    // The last holder of the lock may have built the artifact.
    const look = await stored.look(id, { signal });
    const upstream = known.stateOf(id.repository);
    if (look.found !== undefined && isCurrent(id, look.found, upstream, policy) && !isForced) {
      progress.announce({ kind: 'stored' });
      return 'stored';
    }
    writer.prepare();
    // Objects that one attempt has fetched must still be there for the next one.
    const endKeep = mirrors.keep(id.repository);
    const run: Run = {
      ...order,
      ...look,
      signal,
      progress,
      begunAt: undefined,
      isMirrorFresh: false,
    };
    try {
      for (let attempt = 1; ; attempt++) {
        if (attempt > 1) Object.assign(run, await stored.look(id, { signal }));
        const end = await this.#attempt(run, attempt);
        if (end !== undefined) return end;
      }
    } catch (cause) {
      if (run.begunAt !== undefined) this.#reportFailure(id, run.begunAt, cause);
      // The check found that the ref is gone upstream. Without this, its artifact would be served
      // for ever.
      if (run.isMirrorFresh && run.found !== undefined && isRefMissing(cause)) {
        await this.#orReport(id, stored.delete(artifactKey(id)));
      }
      throw cause;
    } finally {
      endKeep();
    }
  }

  /** @returns `undefined` when another attempt may succeed. */
  async #attempt(run: Run, attempt: number): Promise<BuildEnd | undefined> {
    const { id, version, progress } = run;
    const { stored } = this.#parts;
    const leasing = leaseForBuild(run, this.#parts);
    const lease = await unlessAborted(leasing, progress.dropped).catch((error: unknown) => {
      // The clone goes on: other artifacts may need it.
      this.#goesOn(leasing.then((late) => late.release()).catch(() => {}));
      throw error;
    });
    // The clone may have found that the stored snapshot is damaged.
    if (version !== null && stored.isDistrusted(id, version)) run.found = undefined;
    const basis = `${artifactKey(id)} ${lease.revision.digest}`;
    this.#refuseIfRemembered(basis, lease);
    progress.reads(lease.revision.digest);
    let isShown = false;
    try {
      return await this.#write(run, lease, () => {
        isShown = true;
      });
    } catch (error) {
      // A missing ref is no failure to report: a client may have made it up.
      if (isNotFound(error)) run.begunAt = undefined;
      const isWorthIt = await this.#isWorthAnother(id, lease, error, attempt);
      if (isShown || !isWorthIt) throw this.#remember(basis, error);
      if (attempt < MAX_ATTEMPTS) return undefined;
      // The upstream has the ref: it is not missing.
      if (isRefMissing(error)) throw keepsVanishing(error);
      throw this.#remember(basis, error);
    } finally {
      lease.release();
    }
  }

  /** @param onShown is called when clients get the first bytes. */
  async #write(run: Run, lease: MirrorLease, onShown: () => void): Promise<BuildEnd> {
    const { id, isForced, isBackground, found, version, signal, progress } = run;
    const { stored, known, refusals, writer } = this.#parts;
    refusals.throwIfForgotten(id.repository);
    const { checkedAt, failure } = known.stateOf(id.repository);
    run.isMirrorFresh = isMirrorFresh(run, lease, known);
    if (found !== undefined && !found.isOfOtherFormat && !run.isMirrorFresh) {
      const message = 'the upstream did not say what it has since this was stored';
      throw new SnapshotError('UPSTREAM_UNREACHABLE', message, { cause: failure });
    }
    let etag = found?.artifact.etag;
    const options = {
      unlessBasis: isForced || found?.isOfOtherFormat ? undefined : found?.provenance.basis,
      // The store checks this, since the lock may be lost without notice.
      ifRevision: version,
      knownAt: checkedAt?.date,
      isBackground,
      awaited: progress.awaited,
      signal,
      onTurn: () => {
        progress.begin();
        run.begunAt ??= now();
      },
    };
    const outcome = await writer.write(id, lease, options, (info, spool) => {
      onShown();
      etag = info.etag;
      progress.announce({ kind: 'building', info, spool });
    });
    run.begunAt = undefined;
    if (outcome === 'superseded' || outcome === 'not-stored') return outcome;
    if (etag !== undefined) stored.noteCurrent(id, etag, lease.revision.digest);
    if (outcome === 'unchanged') progress.announce({ kind: 'stored' });
    else if (isVariant(id)) await this.#orReport(id, stored.boundVariants(id.repository));
    return 'stored';
  }

  #reportFailure({ repository }: ArtifactId, since: Time, cause: unknown): void {
    const failed = { repository, milliseconds: elapsedSince(since), error: toSnapshotError(cause) };
    this.#parts.events.emit('generationFailed', failed);
  }

  /** Waits for the deletion of other artifacts, whose failure is not the build's. Never rejects. */
  async #orReport({ repository }: ArtifactId, work: Promise<void>): Promise<void> {
    await work.catch((cause: unknown) => {
      this.#parts.events.emit('storeFailed', { repository, error: toSnapshotError(cause) });
    });
  }

  /** Remembers a failure that every build of the same refs repeats. @returns the error to throw. */
  #remember(basis: string, error: unknown): unknown {
    const follows = SnapshotError.is(error, ...FOLLOWS_FROM_REFS);
    return follows ? this.#failures.remember(basis, error) : error;
  }

  /** @throws SnapshotError the remembered failure of a build of the same refs. */
  #refuseIfRemembered(basis: string, lease: MirrorLease): void {
    try {
      this.#failures.throwIfRemembered(basis);
    } catch (error) {
      lease.release();
      throw error;
    }
  }

  /** Whether another attempt may succeed. */
  async #isWorthAnother(
    id: ArtifactId,
    lease: MirrorLease,
    error: unknown,
    attempt: number,
  ): Promise<boolean> {
    const { mirrors } = this.#parts;
    const isDamaged = await mirrors.discardIfDamaged(lease, error);
    // Release the lease first: an eviction waits for it, and the search below waits for the
    // eviction.
    lease.release();
    if (isDamaged) return true;
    // If the mirror was evicted since, a fetched commit is gone.
    const isSought = isRefMissing(error) && (attempt === 1 || isByCommit(id));
    return isSought && (await this.#lookFor(id, lease.revision.digest));
  }

  /** Looks for the ref upstream. @returns whether the mirror may have it now. */
  async #lookFor(id: ArtifactId, digest: string): Promise<boolean> {
    if (id.kind === 'bundle' || id.ref === undefined) return false;
    return await this.#parts.refFinder.find(id.repository, id.ref, digest);
  }
}

function isRefMissing(error: unknown): boolean {
  return SnapshotError.is(error, 'REF_NOT_FOUND');
}

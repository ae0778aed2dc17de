import type { StoredArtifact } from '../artifact/artifact.js';
import { type ArtifactId, isByCommit, isFixed, isVariant } from '../artifact/id.js';
import { artifactKey } from '../artifact/key.js';
import { unlessAborted } from '../async/abort.js';
import { FailureCache } from '../async/failure-cache.js';
import { SnapshotError, toSnapshotError } from '../errors.js';
import { Job } from '../events/job.js';
import { acquireLock, releaseLock } from '../locks/host-lock.js';
import type { MirrorLease } from '../mirror/mirror.js';
import { keepsVanishing } from '../mirror/mirrors.js';
import type { ArtifactWriter } from './artifact-writer.js';
import type { BuildEnd, BuildOrder, Progress } from './build.js';
import { isMirrorFresh, leaseForBuild } from './build-lease.js';
import type { BaseParts } from './context.js';
import type { RefFinder } from './find-ref.js';
import type { PendingLimits } from './pending-limits.js';
import { isCurrent } from './staleness.js';
import type { Found } from './stored-artifacts.js';
import type { UpstreamChecks } from './upstream-checks.js';

/** A build while it runs. */
interface Run extends BuildOrder {
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** The stored artifact, unless it counts as not stored. */
  found: Found<StoredArtifact> | undefined;
  /** The stored version; `null`: there is none. */
  version: string | null;
  readonly job: Job<'build'>;
  /** Whether the mirror has the refs of a check that is recent enough. */
  isMirrorFresh: boolean;
  /** Whether clients have got bytes. */
  isShown: boolean;
}

/** Failures that repeat with every build of the same refs. */
const FOLLOWS_FROM_REFS = ['LIMIT_EXCEEDED', 'REPOSITORY_INVALID', 'UPSTREAM_INVALID'] as const;

/** A mirror may turn out to be damaged, or to lack a ref that the upstream has by now. */
const MAX_ATTEMPTS = 3;

export interface BuildParts extends BaseParts {
  readonly checks: UpstreamChecks;
  readonly pending: PendingLimits;
  readonly refFinder: RefFinder;
  readonly writer: ArtifactWriter;
}

/** Runs builds: takes the lock, leases the mirror, writes the artifact, and stores it. */
export class BuildRuns {
  readonly #parts: BuildParts;
  readonly #goesOn: (work: Promise<unknown>) => void;
  /** By artifact and digest of the refs. */
  readonly #failures: FailureCache;

  /** @param goesOn gets work that goes on after its build was dropped, and that never rejects. */
  constructor(parts: BuildParts, goesOn: (work: Promise<unknown>) => void) {
    this.#parts = parts;
    this.#goesOn = goesOn;
    this.#failures = new FailureCache(parts.policy.negativeCacheTtl);
  }

  /** @throws SnapshotError the failure of the build. */
  async run(order: BuildOrder, progress: Progress): Promise<BuildEnd> {
    const { started, closing, locks, events } = this.#parts;
    const { id } = order;
    const signal = AbortSignal.any([closing, progress.dropped]);
    await unlessAborted(started(), signal);
    const job = new Job(events, { kind: 'build', repository: id.repository, artifact: id });
    try {
      const lock = await acquireLock(locks, artifactKey(id), signal).catch((error: unknown) => {
        // Reported although the turn has not come: nothing else tells that locks fail.
        if (!signal.aborted) job.start();
        throw error;
      });
      // If the lock is lost, the build goes on. If another process also builds the artifact, the
      // store keeps the first result.
      return await this.#runLocked(order, job, signal, progress).finally(() => releaseLock(lock));
    } catch (cause) {
      job.fail(toSnapshotError(cause, id.repository));
      throw cause;
    }
  }

  async #runLocked(
    order: BuildOrder,
    job: Job<'build'>,
    signal: AbortSignal,
    progress: Progress,
  ): Promise<BuildEnd> {
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
    const state = { isMirrorFresh: false, isShown: false };
    const run: Run = { ...order, ...look, ...state, job, signal, progress };
    try {
      for (let attempt = 1; ; attempt++) {
        if (attempt > 1) Object.assign(run, await stored.look(id, { signal }));
        const end = await this.#attempt(run, attempt);
        if (end !== undefined) return end;
      }
    } catch (cause) {
      // The ref is gone upstream. Without this, its artifact would be served for ever.
      if (run.isMirrorFresh && run.found !== undefined && isRefMissing(cause)) {
        await this.#orReport(id, stored.delete(artifactKey(id), 'gone'));
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
    try {
      const { digest } = lease.revision;
      const basis = `${artifactKey(id)} ${digest}`;
      this.#failures.throwIfRemembered(basis);
      progress.reads(digest);
      return await this.#write(run, lease).catch(async (error: unknown) => {
        const isWorthIt = (await this.#isWorthAnother(id, lease, error, attempt)) && !run.isShown;
        if (isWorthIt && attempt < MAX_ATTEMPTS) return undefined;
        // The upstream has the ref: it is not missing.
        if (isWorthIt && isRefMissing(error)) throw keepsVanishing(error);
        // Every build of the same refs repeats this failure.
        if (!SnapshotError.is(error, ...FOLLOWS_FROM_REFS)) throw error;
        throw this.#failures.remember(basis, error);
      });
    } finally {
      lease.release();
    }
  }

  async #write(run: Run, lease: MirrorLease): Promise<BuildEnd> {
    const { id, isForced, isBackground, found, version, job, signal, progress } = run;
    const { stored, known, refusals, writer } = this.#parts;
    refusals.throwIfForgotten(id.repository);
    if (!isFixed(id)) known.throwIfTooOld(id.repository);
    const { checkedAt, failure } = known.stateOf(id.repository);
    run.isMirrorFresh = isMirrorFresh(run, lease, known);
    if (found !== undefined && !found.isOfOtherFormat && !run.isMirrorFresh) {
      const message = 'the upstream did not say what it has since this was stored';
      throw new SnapshotError(failure?.code ?? 'UPSTREAM_UNREACHABLE', message, { cause: failure });
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
      job,
      onTurn: () => progress.begin(),
    };
    const outcome = await writer.write(id, lease, options, (info, spool) => {
      run.isShown = true;
      etag = info.etag;
      progress.announce({ kind: 'building', info, spool });
    });
    if (outcome === 'superseded' || outcome === 'not-stored') return outcome;
    if (etag !== undefined) stored.noteCurrent(id, etag, lease.revision.digest);
    if (outcome === 'unchanged') progress.announce({ kind: 'stored' });
    else if (isVariant(id)) await this.#orReport(id, stored.boundVariants(id.repository));
    return 'stored';
  }

  /** Waits for the deletion of other artifacts, whose failure is not the build's. Never rejects. */
  async #orReport({ repository }: ArtifactId, work: Promise<void>): Promise<void> {
    await work.catch((cause: unknown) => {
      const error = toSnapshotError(cause, repository);
      this.#parts.events.emit('evictionFailed', { repository, error });
    });
  }

  /** Whether another attempt may succeed. Looks upstream for a missing ref. */
  async #isWorthAnother(
    id: ArtifactId,
    lease: MirrorLease,
    error: unknown,
    attempt: number,
  ): Promise<boolean> {
    const { mirrors } = this.#parts;
    const isDamaged = await mirrors.discardIfDamaged(lease, error);
    // Released first: an eviction waits for it, and the search below for the eviction.
    lease.release();
    if (isDamaged) return true;
    // If the mirror was evicted since, a fetched commit is gone.
    const isSought = isRefMissing(error) && (attempt === 1 || isByCommit(id));
    if (!isSought || id.kind === 'bundle' || id.ref === undefined) return false;
    return await this.#parts.refFinder.find(id.repository, id.ref, lease.revision.digest);
  }
}

function isRefMissing(error: unknown): boolean {
  return SnapshotError.is(error, 'REF_NOT_FOUND');
}

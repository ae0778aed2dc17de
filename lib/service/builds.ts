import type { EventEmitter } from 'node:events';
import { type ArtifactId, isBundle, isFixed, type StoredArtifact } from '../artifact/artifact.js';
import { artifactKey, isVariant } from '../artifact/key.js';
import { unlessAborted } from '../async/abort.js';
import { FailureCache } from '../async/failure-cache.js';
import type { SnapshotConfig } from '../config/options.js';
import { SnapshotError, toSnapshotError } from '../errors.js';
import type { SnapshotEvents } from '../events/events.js';
import type { Lock, LockRegistry } from '../locks/registry.js';
import type { MirrorLease } from '../mirror/mirror.js';
import type { MirrorManager } from '../mirror/mirrors.js';
import { repositoryOf } from '../repository.js';
import { isNotFound } from '../writer/write-context.js';
import { Build, type BuildEnd, type Progress } from './build.js';
import type { ArtifactWriter } from './artifact-writer.js';
import type { RefFinder } from './find-ref.js';
import { leaseMirror } from './lease-mirror.js';
import type { PendingLimits } from './pending-limits.js';
import type { Refusals } from './refusals.js';
import type { Found, StoredArtifacts } from './stored-artifacts.js';
import type { UpstreamChecks } from './upstream-checks.js';

interface Order {
  readonly id: ArtifactId;
  readonly askedAt: number;
  readonly isBackground: boolean;
  readonly isForced: boolean;
}

/** With these errors a build of the same refs fails again. */
const FOLLOWS_FROM_REFS: ReadonlySet<string> = new Set([
  'LIMIT_EXCEEDED',
  'REPOSITORY_INVALID',
  'UPSTREAM_INVALID',
]);

/** A mirror may turn out to be damaged, or not to have a ref yet. */
const MAX_ATTEMPTS = 3;

export interface BuildParts {
  readonly config: SnapshotConfig;
  readonly events: EventEmitter<SnapshotEvents>;
  readonly mirrors: MirrorManager;
  readonly checks: UpstreamChecks;
  readonly refusals: Refusals;
  readonly writer: ArtifactWriter;
  readonly stored: StoredArtifacts;
  readonly pending: PendingLimits;
  readonly locks: LockRegistry;
  readonly search: RefFinder;
  /** Resolves when directories are there. */
  readonly started: () => Promise<void>;
  readonly closing: AbortSignal;
}

/**
 * The builds that run: at most one for each artifact, here and, by the lock, among all who share the
 * store.
 */
export class Builds {
  readonly #parts: BuildParts;
  readonly #running = new Map<string, Build>();
  /** Also what goes on of those that were dropped. */
  readonly #unsettled = new Set<Promise<unknown>>();
  /** By artifact and digest of the refs that it was made of. */
  readonly #failures: FailureCache;

  constructor(parts: BuildParts) {
    this.#parts = parts;
    this.#failures = new FailureCache(parts.config.limits.failureMemory);
  }

  find(id: ArtifactId): Build | undefined {
    const running = this.#running.get(artifactKey(id));
    return running?.isDropped ? undefined : running;
  }

  /**
   * Begins one, unless it runs.
   *
   * @param askedAt the upstream need not be asked if it was since then: by `performance.now()`.
   * @param isBackground nobody waits for it.
   * @param isForced also if what is stored is current.
   * @throws SnapshotError `OVERLOADED`, `TOO_MANY_VARIANTS`.
   */
  begin(
    id: ArtifactId,
    askedAt: number,
    { isBackground = false, isForced = false } = {},
  ): Build {
    const key = artifactKey(id);
    const running = this.find(id);
    if (running !== undefined) {
      if (!isBackground) running.hurry();
      return running;
    }
    const leave = this.#parts.pending.enterBuild(id, isBackground);
    const order = { id, askedAt, isBackground, isForced };
    const generate = (progress: Progress) => this.#generate(order, progress);
    const generation = new Build(generate, isVariant(id));
    this.#running.set(key, generation);
    const { done } = generation;
    this.#settle(done);
    void done.then(() => {
      leave();
      if (this.#running.get(key) === generation) this.#running.delete(key);
    });
    return generation;
  }

  /** Resolves when all that run now are over. */
  async settled(): Promise<void> {
    await Promise.all(this.#unsettled);
  }

  /** @param work never rejects. */
  #settle(work: Promise<unknown>): void {
    this.#unsettled.add(work);
    void work.then(() => this.#unsettled.delete(work));
  }

  async #generate(order: Order, progress: Progress): Promise<BuildEnd> {
    const { started, closing } = this.#parts;
    const signal = AbortSignal.any([closing, progress.dropped]);
    await unlessAborted(started(), signal);
    const lock = await this.#lock(order.id, signal);
    try {
      // Not ended when the lease is lost: a lease only saves work. What others make meanwhile is the same,
      // and the store refuses what is older than what it has.
      return await this.#generateLocked(order, signal, progress);
    } finally {
      await lock.release();
    }
  }

  async #lock(id: ArtifactId, signal: AbortSignal): Promise<Lock> {
    const { locks, events } = this.#parts;
    const askedAt = performance.now();
    try {
      return await locks.acquire(artifactKey(id), { signal });
    } catch (cause) {
      if (!signal.aborted) {
        const milliseconds = performance.now() - askedAt;
        const error = toSnapshotError(cause);
        events.emit('generationFailed', { repository: repositoryOf(id), milliseconds, error });
      }
      throw cause;
    }
  }

  async #generateLocked(
    order: Order,
    signal: AbortSignal,
    progress: Progress,
  ): Promise<BuildEnd> {
    const { id, isForced } = order;
    const { stored, checks, refusals, writer, events } = this.#parts;
    // Whoever held the lock before may have generated what we want.
    let { found, revision } = await stored.look(id, { signal });
    const isCurrent = found !== undefined && stored.isCurrent(id, found, checks.stateOf(id));
    if (isCurrent && !isForced) {
      progress.announce({ kind: 'stored' });
      return 'stored';
    }
    writer.prepare();
    // Over all attempts; `undefined` while there is nothing of which to tell that it failed.
    let begunAt: number | undefined;
    const onTurn = () => {
      progress.begin();
      begunAt ??= performance.now();
    };
    const elapsed = () => performance.now() - (begunAt ?? performance.now());
    let isChecked = false;
    try {
      for (let attempt = 1; ; attempt++) {
        if (attempt > 1) ({ found, revision } = await stored.look(id, { signal }));
        const leasing = this.#lease(order, found?.artifact.storedAt ?? 0);
        const lease = await unlessAborted(leasing, progress.dropped).catch((error: unknown) => {
          // A clone may be wanted by others, and goes on.
          this.#settle(leasing.then((late) => late.release()).catch(() => {}));
          throw error;
        });
        // What the mirror was to be made of may have turned out to be damaged.
        if (revision !== null && stored.isDistrusted(id, revision)) found = undefined;
        const { digest } = lease.revision;
        const basis = `${artifactKey(id)} ${digest}`;
        this.#refuseIfRemembered(basis, lease);
        progress.reads(digest);
        let isShown = false;
        let etag = found?.artifact.etag;
        try {
          refusals.throwIfOver(id);
          isChecked = this.#isChecked(order, found, lease);
          if (found !== undefined && !found.isOfOtherFormat && !isChecked) {
            const message = 'the upstream did not say what it has since this was stored';
            const cause = checks.find(id)?.failure;
            throw new SnapshotError('UPSTREAM_UNREACHABLE', message, { cause });
          }
          const unless = isForced || found?.isOfOtherFormat ? undefined : found?.provenance.basis;
          const { awaited } = progress;
          const knownAt = checks.find(id)?.checkedAt?.date;
          const { isBackground } = order;
          // A lock may be lost without notice, and others have other locks: the store has the last word.
          const given = { unless, replaces: revision, knownAt, isBackground };
          const options = { ...given, awaited, signal, onTurn };
          const outcome = await writer.generate(id, lease, options, (info, spool) => {
            isShown = true;
            etag = info.etag;
            progress.announce({ kind: 'generating', info, spool });
          });
          begunAt = undefined;
          if (outcome === 'superseded' || outcome === 'not-stored') return outcome;
          if (etag !== undefined) stored.verify(id, etag, digest);
          if (outcome === 'unchanged') progress.announce({ kind: 'stored' });
          else if (isVariant(id)) await stored.boundVariants(id);
          return 'stored';
        } catch (error) {
          // Clients may ask for anything: that it is not there is no failure.
          if (isNotFound(error)) begunAt = undefined;
          const isWorthIt = await this.#isWorthAnother(id, lease, error, attempt);
          if (isShown || !isWorthIt || attempt === MAX_ATTEMPTS) {
            throw this.#remember(basis, error);
          }
        } finally {
          lease.release();
        }
      }
    } catch (cause) {
      if (begunAt !== undefined) {
        const error = toSnapshotError(cause);
        const failed = { repository: repositoryOf(id), milliseconds: elapsed(), error };
        events.emit('generationFailed', failed);
      }
      // What the upstream has no more is not served for ever. It was asked for it by now.
      if (isChecked && found !== undefined && isRefMissing(cause)) {
        await stored.delete(artifactKey(id));
      }
      throw cause;
    }
  }

  /** @returns the error, with the time for which it is remembered, if it follows from what was to be built. */
  #remember(basis: string, error: unknown): unknown {
    const follows = error instanceof SnapshotError && FOLLOWS_FROM_REFS.has(error.code);
    return follows ? this.#failures.remember(basis, error) : error;
  }

  /** What failed of these refs would fail again, after it has held a turn for as long. */
  #refuseIfRemembered(basis: string, lease: MirrorLease): void {
    try {
      this.#failures.throwIfRemembered(basis);
    } catch (error) {
      lease.release();
      throw error;
    }
  }

  /** Whether another attempt may do better. */
  async #isWorthAnother(
    id: ArtifactId,
    lease: MirrorLease,
    error: unknown,
    attempt: number,
  ): Promise<boolean> {
    const { mirrors } = this.#parts;
    const isDamaged = await mirrors.setAsideIfDamaged(lease, error);
    // An eviction may be waiting for that, and whoever asks the upstream for the eviction.
    lease.release();
    if (isDamaged) return true;
    return isRefMissing(error) && attempt === 1 && (await this.#lookFor(id, lease.revision.digest));
  }

  /**
   * The repository's mirror, as fresh as the policy demands when something is made of it.
   *
   * @param storedAt when that was stored which will be replaced: others who share the store may have made
   * it of something newer than the mirror.
   */
  async #lease({ id, askedAt, isBackground }: Order, storedAt: number): Promise<MirrorLease> {
    const { mirrors, checks, closing: signal } = this.#parts;
    const { lease, isCloned } = await leaseMirror(this.#parts, id, signal, isBackground);
    // Without a mirror the upstream was only asked; one that is there by now may be behind.
    const isBehind = checks.digestOf(id) !== lease.revision.digest;
    const isSpared = !checks.isDue(id) || (isBackground && checks.isThrottled(id));
    const isAsked =
      isCloned ||
      checks.isFailing(id) ||
      checks.wasCheckedSince(id, { time: askedAt }) ||
      (isSpared && checks.wasCheckedSince(id, { date: storedAt }));
    if (isFixed(id) || (isAsked && !isBehind)) return lease;
    lease.release();
    // Without an answer, what is there has to do.
    await checks.check(id, isBackground).catch((error: unknown) => {
      if (!(error instanceof SnapshotError) || signal.aborted) throw error;
    });
    return await mirrors.lease(id, signal, { isBackground });
  }

  /**
   * Whether a mirror has what the upstream said since something was stored, or asked for: without that,
   * what is stored may be of later than the mirror.
   */
  #isChecked(
    { id, askedAt }: Order,
    found: Found<StoredArtifact> | undefined,
    { revision }: MirrorLease,
  ): boolean {
    if (isFixed(id)) return true;
    const { checks } = this.#parts;
    const date = found?.provenance.knownAt ?? found?.artifact.storedAt ?? 0;
    const wasChecked =
      checks.wasCheckedSince(id, { time: askedAt }) || checks.wasCheckedSince(id, { date });
    return wasChecked && checks.digestOf(id) === revision.digest;
  }

  /** @returns whether what was asked for may be there by now. */
  async #lookFor(id: ArtifactId, digest: string): Promise<boolean> {
    if (isBundle(id) || id.ref === undefined) return false;
    return await this.#parts.search.search(id, id.ref, digest);
  }
}

function isRefMissing(error: unknown): boolean {
  return error instanceof SnapshotError && error.code === 'REF_NOT_FOUND';
}

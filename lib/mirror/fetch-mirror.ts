import { retry } from '../async/retry.js';
import { SnapshotError } from '../errors.js';
import { MemoryLocks } from '../locks/memory.js';
import { withLock } from '../locks/with-lock.js';
import type { IngestedPack } from '../pack/ingest.js';
import { type RepositoryId, repositoryKey } from '../repository.js';
import { FULL_PACKS, SMALL_BYTES } from './choose-repack.js';
import { withIncoming } from './disk/publish.js';
import {
  MAX_ATTEMPTS,
  type MirrorRevision,
  type Pinned,
  packsOf,
  type RevisionContent,
} from './disk/revision.js';
import { failedAsSuperseded } from './disk/revision-file.js';
import type { JobOptions, JobRunner } from './job-runner.js';
import type { FetchResult } from './jobs/fetch.js';
import type { KnownMirrors } from './known-mirrors.js';
import type { Maintenance } from './maintenance.js';
import type { Mirror } from './mirror.js';

export interface FetchOptions extends Pick<JobOptions, 'isBackground' | 'job'> {
  /** Id of a commit to fetch even if no ref leads to it. */
  commit?: string | undefined;
  /** Full names, as bytes, of refs that mirrors do not hold. */
  otherRefs?: readonly string[];
}

type FetchJob = FetchOptions & JobOptions;

export interface FetchOutcome extends Pick<FetchResult, 'digest' | 'hasCommit' | 'otherRefs'> {
  /** HEAD's commit. */
  readonly commit: string | undefined;
  /** Whether a mirror now has these refs. */
  readonly isMirrored: boolean;
  readonly packs: readonly IngestedPack[];
}

/** A mirror keeps at most this many commits that clients requested by id. */
const MAX_PINNED_COMMITS = 64;

export interface FetcherParts {
  readonly mirrors: KnownMirrors;
  readonly jobs: JobRunner;
  readonly maintenance: Maintenance;
}

/** Brings mirrors up to date. Several processes may fetch into one mirror at once. */
export class Fetcher {
  readonly #parts: FetcherParts;
  /** In this process, one fetch at a time per mirror. */
  readonly #locks = new MemoryLocks();

  constructor(parts: FetcherParts) {
    this.#parts = parts;
  }

  /** Checks an upstream that has no mirror. */
  async check(repository: RepositoryId, options: FetchJob): Promise<FetchOutcome> {
    const { jobs } = this.#parts;
    const { head, digest } = await jobs.run(repository, 'check', options, async (ends) => ({
      kind: 'check',
      ...(await jobs.upstreamTask(repository, ends)),
    }));
    const nothing = { hasCommit: false, otherRefs: new Map<string, string>(), packs: [] };
    return { commit: head.oid, digest, isMirrored: false, ...nothing };
  }

  /**
   * Checks the upstream, and fetches the objects that the mirror lacks.
   *
   * @returns `gone`: the mirror was evicted or discarded.
   * @throws SnapshotError as a clone.
   */
  async fetch(mirror: Mirror, options: FetchJob): Promise<FetchOutcome | 'gone'> {
    const exhausted = () =>
      new SnapshotError('INTERNAL', 'other processes keep changing the mirror');
    const fetch = () => retry(MAX_ATTEMPTS, () => this.#attempt(mirror, options), exhausted);
    return await withLock(this.#locks, repositoryKey(mirror.repository), fetch, options);
  }

  /** @returns `undefined` when another process changed the mirror, or it was discarded. */
  async #attempt(mirror: Mirror, options: FetchJob): Promise<FetchOutcome | 'gone' | undefined> {
    const { mirrors, maintenance } = this.#parts;
    const isFull = mirror.revision && packsOf(mirror.revision).length >= FULL_PACKS;
    if (isFull) await maintenance.run(mirror);
    const lease = await mirrors.lease(mirror);
    if (lease === undefined) return 'gone';
    const { revision } = lease;
    try {
      const outcome = await this.#fetch(mirror, revision, options);
      if (outcome === undefined) return undefined;
      // Release the lease first, so that superseded files can be removed after the repack.
      lease.release();
      const isNew = outcome.digest !== revision.digest || outcome.packs.length > 0;
      if (isNew || revision.garbageSince !== undefined) {
        const maintained = maintenance.run(mirror);
        // In a small mirror, maintenance takes no longer than a fetch, and builds read fewer packs.
        if (mirror.bytes <= SMALL_BYTES) await maintained;
      }
      return outcome;
    } catch (error) {
      if (await failedAsSuperseded(lease, error)) return undefined;
      if (await mirrors.discardIfDamaged(lease, error)) return undefined;
      throw error;
    } finally {
      lease.release();
    }
  }

  /** @returns `undefined` when the revision was superseded by a fetch or a pruning. */
  async #fetch(
    mirror: Mirror,
    revision: MirrorRevision,
    options: FetchJob,
  ): Promise<FetchOutcome | undefined> {
    const { jobs } = this.#parts;
    const { repository, directory } = mirror;
    const { commit, otherRefs = [] } = options;
    return await withIncoming(directory, async (incoming) => {
      const result = await jobs.run(repository, 'fetch', options, async (ends) => {
        const task = await jobs.upstreamTask(repository, ends);
        return { kind: 'fetch', ...task, mirror: directory, revision, incoming, commit, otherRefs };
      });
      const { head, digest, hasCommit, otherRefs: found } = result;
      const packs = [...result.packs, ...result.pinnedPacks];
      const refs = digest === revision.digest ? undefined : digest;
      if (refs !== undefined || packs.length > 0) {
        const published = await mirror.publishFiles(incoming, { packs, refs }, (current) =>
          withFetched(current, revision, result, commit),
        );
        if (published === undefined) return undefined;
      }
      return { commit: head.oid, digest, isMirrored: true, hasCommit, otherRefs: found, packs };
    });
  }
}

/**
 * Adds the result of a fetch to the current revision; `undefined` when this may lack objects that
 * were not fetched. A repack since the earlier revision does no harm.
 */
function withFetched(
  current: MirrorRevision,
  earlier: MirrorRevision,
  result: FetchResult,
  commit: string | undefined,
): RevisionContent | undefined {
  const isSame =
    current.clone === earlier.clone &&
    current.digest === earlier.digest &&
    current.prunings === earlier.prunings;
  if (!isSame) return undefined;
  return {
    ...current,
    packs: withNames(current.packs, result.packs),
    head: result.head,
    digest: result.digest,
    pinned: pin(current.pinned, result, commit),
    garbageSince: current.garbageSince ?? (result.leavesGarbage ? Date.now() : undefined),
  };
}

/** Adds a commit that was fetched by its id. Beyond the limit, the earliest one is dropped. */
function pin(pinned: Pinned, result: FetchResult, commit: string | undefined): Pinned {
  if (commit === undefined || !result.isPinned) return pinned;
  const others = pinned.commits.filter((oid) => oid !== commit);
  return {
    commits: [...others, commit].slice(-MAX_PINNED_COMMITS),
    packs: withNames(pinned.packs, result.pinnedPacks),
  };
}

function withNames(names: readonly string[], packs: readonly IngestedPack[]): string[] {
  return [...new Set([...names, ...packs.map(({ name }) => name)])];
}

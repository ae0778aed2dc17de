import { SnapshotError } from '../errors.js';
import { InProcessLocks } from '../locks/in-process.js';
import type { IngestedPack } from '../pack/ingest.js';
import { type RepositoryId, repositoryKey } from '../repository/identity.js';
import { isFull, SMALL_BYTES } from './choose-repack.js';
import { bringIn, publish, withIncoming } from './disk/publish.js';
import type { MirrorRevision, Pinned } from './disk/revision.js';
import { readRevision } from './disk/revision-file.js';
import { wasOvertaken } from './disk/superseded.js';
import type { JobRunner } from './job-runner.js';
import type { UpdateResult } from './jobs/fetch.js';
import type { PackKeeper } from './maintenance.js';
import type { Mirror, MirrorAccess, MirrorLease } from './mirror.js';

export interface UpdateOptions {
  /** To be had even if no ref leads to it. */
  commit?: string | undefined;
  /** Full names of refs that mirrors don't hold. */
  otherRefs?: readonly string[];
  /** Nobody waits for it: see `JobRunner`. */
  isBackground?: boolean;
}

/** What the upstream has by now. */
export interface UpdateOutcome {
  /** HEAD's commit. */
  readonly commit: string | undefined;
  /** Of HEAD and the refs. */
  readonly digest: string;
  /** Whether there is a mirror, which has all that by now. */
  readonly isMirrored: boolean;
  /** Whether the mirror has the commit that was asked for. */
  readonly hasCommit: boolean;
  /** What the other refs that were asked for are at: full name → id, of those that are there. */
  readonly otherRefs: ReadonlyMap<string, string>;
  /** What was fetched. */
  readonly packs: readonly IngestedPack[];
}

/** Commits that are kept on behalf of clients who asked for them by id. */
const MAX_PINNED_COMMITS = 64;
/** Another process may publish a revision each time. */
const MAX_ATTEMPTS = 5;

/** Brings mirrors up to date. What several processes do to one mirror at once does no harm. */
export class MirrorUpdater {
  readonly #jobs: JobRunner;
  readonly #packs: PackKeeper;
  readonly #access: MirrorAccess;
  /** One update at a time for each mirror, as far as this process is concerned. */
  readonly #updating = new InProcessLocks();

  constructor(jobs: JobRunner, packs: PackKeeper, access: MirrorAccess) {
    this.#jobs = jobs;
    this.#packs = packs;
    this.#access = access;
  }

  /**
   * Asks the upstream and fetches what the mirror lacks.
   *
   * @returns `undefined` when the mirror is gone.
   * @throws SnapshotError as a clone.
   */
  async update(
    mirror: Mirror,
    signal: AbortSignal,
    options: UpdateOptions,
  ): Promise<UpdateOutcome | undefined> {
    const lock = await this.#updating.acquire(repositoryKey(mirror.repository), { signal });
    try {
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        if (mirror.revision && isFull(mirror.revision)) await this.#packs.tidy(mirror);
        const lease = await this.#access.lease(mirror);
        if (lease === undefined) return undefined;
        try {
          const outcome = await this.#tryUpdate(mirror, lease, signal, options).catch(
            async (error: unknown) => {
              if (await wasOvertaken(lease, error)) return undefined;
              throw error;
            },
          );
          if (outcome === undefined) continue;
          // What is tidied may have to be removed, when nobody reads it any more.
          lease.release();
          const isNew = outcome.digest !== lease.revision.digest || outcome.packs.length > 0;
          if (isNew || lease.revision.garbageSince !== undefined) await this.#tidy(mirror);
          return outcome;
        } catch (error) {
          if (!(await this.#access.setAside(lease, error))) throw error;
        } finally {
          lease.release();
        }
      }
      throw new SnapshotError('INTERNAL', 'other processes keep changing the mirror');
    } finally {
      await lock.release();
    }
  }

  /** @returns `undefined` when what was fetched for a revision is not all that the current one lacks. */
  async #publish(
    mirror: Mirror,
    earlier: MirrorRevision,
    result: UpdateResult,
    commit: string | undefined,
  ): Promise<MirrorRevision | undefined> {
    for (;;) {
      const current = await readRevision(mirror.directory);
      const isSame =
        current?.clone === earlier.clone &&
        current.digest === earlier.digest &&
        current.prunings === earlier.prunings;
      if (current === undefined || !isSame) return undefined;
      const next = await publish(mirror.directory, current.number, {
        ...current,
        packs: withNames(current.packs, result.packs),
        head: result.head,
        digest: result.digest,
        pinned: pin(current.pinned, result, commit),
        garbageSince: current.garbageSince ?? (result.leavesGarbage ? Date.now() : undefined),
      });
      if (next === undefined) continue;
      mirror.advance(next);
      return next;
    }
  }

  /** What takes no longer than a fetch is done at once, so that what is generated next is tidy. */
  async #tidy(mirror: Mirror): Promise<void> {
    const tidied = this.#packs.tidy(mirror);
    if (mirror.bytes <= SMALL_BYTES) await tidied;
  }

  /** Asks an upstream of which there is no mirror. */
  async ask(
    repository: RepositoryId,
    signal: AbortSignal,
    { isBackground = false }: UpdateOptions,
  ): Promise<UpdateOutcome> {
    const options = { signal, isBackground };
    const { head, digest } = await this.#jobs.run(repository, 'check', options, async (ends) => ({
      kind: 'check',
      ...(await this.#jobs.upstreamTask(repository, ends)),
    }));
    const nothing = { hasCommit: false, otherRefs: new Map<string, string>(), packs: [] };
    return { commit: head.oid, digest, isMirrored: false, ...nothing };
  }

  /** @returns `undefined` when another process was quicker, so that all is to be looked at again. */
  async #tryUpdate(
    mirror: Mirror,
    { directory, revision }: MirrorLease,
    signal: AbortSignal,
    { commit, otherRefs = [], isBackground = false }: UpdateOptions,
  ): Promise<UpdateOutcome | undefined> {
    const { repository } = mirror;
    return await withIncoming(directory, async (incoming) => {
      const options = { signal, isBackground };
      const result = await this.#jobs.run(repository, 'update', options, async (ends) => {
        const task = await this.#jobs.upstreamTask(repository, ends);
        const what = { mirror: directory, revision, incoming, commit, otherRefs };
        return { kind: 'update', ...task, ...what };
      });
      const packs = [...result.packs, ...result.pinnedPacks];
      const refs = result.digest === revision.digest ? undefined : result.digest;
      if (refs !== undefined || packs.length > 0) {
        const published = await bringIn(mirror, incoming, { packs, refs }, () =>
          this.#publish(mirror, revision, result, commit),
        );
        if (published === undefined) return undefined;
      }
      const { head, digest, hasCommit, otherRefs: found } = result;
      return { commit: head.oid, digest, isMirrored: true, hasCommit, otherRefs: found, packs };
    });
  }
}

/** Adds a commit that was fetched by its id; the one that was asked for longest ago goes. */
function pin(pinned: Pinned, result: UpdateResult, commit: string | undefined): Pinned {
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

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { FailureCache } from '../async/failure-cache.js';
import { BackOff } from '../async/retry.js';
import { SingleFlight } from '../async/single-flight.js';
import type { WorkLimits } from '../config/options.js';
import { SnapshotError, toSnapshotError } from '../errors.js';
import type { SnapshotEmitter } from '../events/emitter.js';
import { Job } from '../events/job.js';
import type { JobResults } from '../events/job-events.js';
import { requireFreeSpace } from '../fs/free-space.js';
import { type RepositoryId, repositoryKey } from '../repository.js';
import { chooseRepack, packsToRead, replacePacks, type SizedPack } from './choose-repack.js';
import { packDirectory, packFiles, packPaths } from './disk/layout.js';
import { publish, withIncoming } from './disk/publish.js';
import type { MirrorRevision } from './disk/revision.js';
import { failedAsSuperseded } from './disk/revision-file.js';
import type { JobRunner } from './job-runner.js';
import type { RepackSelection } from './jobs/repack.js';
import type { KnownMirrors } from './known-mirrors.js';
import type { Mirror, MirrorLease } from './mirror.js';

type RepackOutcome = JobResults['repack']['outcome'];

export interface MaintenanceParts {
  readonly mirrors: KnownMirrors;
  readonly jobs: JobRunner;
  readonly events: SnapshotEmitter;
  /** Failures of clones. */
  readonly failures: FailureCache;
  readonly limits: WorkLimits;
  /** Called after unreachable objects of a mirror were pruned. */
  readonly onPruned: (repository: RepositoryId) => void;
  /** Called after an incomplete mirror was discarded and its readers have ended. */
  readonly onIncomplete: (repository: RepositoryId) => Promise<void>;
  readonly closing: AbortSignal;
}

/**
 * Repacks mirrors, prunes unreachable objects, checks connectivity. Readers and fetches go on
 * meanwhile: the files of a revision stay while it is read, and new packs are kept.
 */
export class Maintenance {
  readonly #parts: MaintenanceParts;
  readonly #runs = new SingleFlight<void>();
  readonly #begun = new WeakSet<Mirror>();
  readonly #backOff = new BackOff<Mirror>();

  constructor(parts: MaintenanceParts) {
    this.#parts = parts;
  }

  /** Begins a mirror's first maintenance, if it is not known to be connected. */
  checkConnectivity(mirror: Mirror): void {
    if (mirror.revision?.isConnected !== false || this.#begun.has(mirror)) return;
    this.#begun.add(mirror);
    void this.run(mirror);
  }

  /** Does the maintenance that is due, or joins a run. Never rejects; pauses after a failure. */
  async run(mirror: Mirror): Promise<void> {
    // The key is the clone: a run for an earlier clone of the repository does nothing for this one.
    const { clone } = mirror.revision ?? {};
    if (clone === undefined) return;
    const running = this.#runs.running(clone);
    if (running === undefined && this.#backOff.isWaiting(mirror)) return;
    await this.#runs.join(clone, () => this.#run(mirror));
  }

  /** Resolves when no maintenance runs. The closing signal ends it. */
  settled(): Promise<void> {
    return this.#runs.settled();
  }

  async #run(mirror: Mirror): Promise<void> {
    const { events, closing } = this.#parts;
    const { repository } = mirror;
    const job = new Job(events, { kind: 'repack', repository, artifact: undefined });
    try {
      const outcome = await this.#maintain(mirror, job);
      const packs = mirror.revision?.packs.length ?? 0;
      if (outcome !== undefined) job.succeed({ outcome, packs });
      this.#backOff.succeeded(mirror);
    } catch (cause) {
      if (!closing.aborted) {
        this.#backOff.failed(mirror);
        // A failure before the turn is reported as well.
        job.start();
      }
      job.fail(toSnapshotError(cause, repository));
    }
  }

  /** @returns `undefined` when there was nothing to do, or the mirror was discarded. */
  async #maintain(mirror: Mirror, job: Job<'repack'>): Promise<RepackOutcome | undefined> {
    const { repository } = mirror;
    const { mirrors, limits, onPruned, onIncomplete } = this.#parts;
    const lease = await mirrors.lease(mirror);
    if (lease === undefined) return undefined;
    try {
      const sizes = await sizesOf(lease);
      const selection = chooseRepack(lease.revision, sizes, limits.maxPackBytes, Date.now());
      // The search for reachable objects checks connectivity as well.
      if (selection !== 'reachable') await this.#checkConnectivity(mirror, lease, job);
      if (selection === undefined) return 'checked';
      const repacked = await this.#repack(mirror, lease, selection, job);
      if (repacked === undefined) return 'superseded';
      if (selection !== 'reachable') return 'combined';
      onPruned(repository);
      return 'pruned';
    } catch (error) {
      if (await failedAsSuperseded(lease, error)) return 'superseded';
      if (await mirrors.discardIfDamaged(lease, error)) throw error;
      // `UPSTREAM_INVALID`: an object is missing or malformed although no file is damaged.
      if (!SnapshotError.is(error, 'UPSTREAM_INVALID')) throw error;
      job.fail(error);
      await this.#discardIncomplete(lease, error);
      lease.release();
      await mirror.idle();
      await onIncomplete(repository);
      return undefined;
    } finally {
      lease.release();
    }
  }

  async #checkConnectivity(
    mirror: Mirror,
    { directory, revision }: MirrorLease,
    job: Job<'repack'>,
  ): Promise<void> {
    if (revision.isConnected) return;
    const { jobs, closing, limits } = this.#parts;
    const task = { kind: 'connectivity', mirror: directory, revision, limits } as const;
    await jobs.run(mirror.repository, 'connectivity', { signal: closing, job }, async () => task);
    // Later revisions of this clone are connected, too: each fetch checks the objects that it adds.
    const published = await publish(directory, (current) =>
      current?.clone === revision.clone ? { ...current, isConnected: true } : undefined,
    );
    if (published !== undefined) mirror.advance(published);
  }

  /** @returns `undefined` when changes by other processes have made the repack useless. */
  async #repack(
    mirror: Mirror,
    { directory, revision }: MirrorLease,
    packs: RepackSelection,
    job: Job<'repack'>,
  ): Promise<MirrorRevision | undefined> {
    const { jobs, closing, limits } = this.#parts;
    const paths = packPaths(directory, packsToRead(revision, packs));
    // A repack must not fill the disk: fetches would fail.
    await requireFreeSpace(directory, packFiles(paths));
    return await withIncoming(directory, async (incoming) => {
      const read = { mirror: directory, revision, limits };
      const task = { kind: 'repack', ...read, packs, incoming } as const;
      const options = { signal: closing, job };
      const result = await jobs.run(mirror.repository, 'repack', options, async () => task);
      const files = { packs: [...result.combined, ...result.pinned], refs: undefined };
      return await mirror.publishFiles(incoming, files, (current) =>
        replacePacks(current, revision, packs, result),
      );
    });
  }

  /** Discards a mirror that lacks objects which the upstream did not send. */
  async #discardIncomplete({ revision }: MirrorLease, error: SnapshotError): Promise<void> {
    const { mirrors, failures } = this.#parts;
    const { repository, clone, isConnected } = revision;
    const mirror = mirrors.find(repository);
    if (mirror?.revision?.clone !== clone) return;
    // Another clone would lack the same objects.
    if (!isConnected) failures.remember(repositoryKey(repository), error);
    await mirrors.discard(mirror, error);
  }
}

async function sizesOf({ directory, revision }: MirrorLease): Promise<SizedPack[]> {
  return await Promise.all(
    revision.packs.map(async (name) => {
      const { size } = await stat(join(packDirectory(directory), `${name}.pack`));
      return { name, size };
    }),
  );
}

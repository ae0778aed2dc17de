import type { EventEmitter } from 'node:events';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { unlessAborted } from '../async/abort.js';
import { isDamage, SnapshotError, toSnapshotError } from '../errors.js';
import type { SnapshotEvents } from '../events.js';
import type { SnapshotConfig } from '../options.js';
import { type RepositoryId, repositoryKey, repositoryOf } from '../repository/identity.js';
import { Cloner, type ClonerOptions } from './clone-mirror.js';
import { findDamage } from './disk/find-damage.js';
import { inspectMirror } from './disk/integrity.js';
import { noteUse } from './disk/last-used.js';
import { MirrorDirectory } from './disk/mirror-directory.js';
import type { MirrorRevision } from './disk/revision.js';
import { isOutdated, readRevision } from './disk/revision-file.js';
import { Evictions } from './evictions.js';
import { MirrorUpdater, type UpdateOptions, type UpdateOutcome } from './fetch-mirror.js';
import { Housekeeping } from './housekeeping.js';
import { JobRunner } from './job-runner.js';
import type { LookUpResult, LookUpTask } from './jobs/query.js';
import { PackKeeper, type PackKeeperOptions } from './maintenance.js';
import { type LeaseOptions, Mirror, type MirrorLease, type RevisionAt } from './mirror.js';
import { takeOver } from './take-over.js';

/** Another process may evict a mirror each time that it was found or cloned. */
const MAX_ATTEMPTS = 5;
/** Mirrors that are looked at at once when the service starts. */
const CONCURRENT_INSPECTIONS = 8;

/**
 * The mirrors below one directory: finds those that are there, clones those that are not, and keeps them
 * up to date and within a budget.
 *
 * Other processes may use the directory at the same time. What they did is found on disk.
 */
export class MirrorManager {
  readonly #directory: MirrorDirectory;
  readonly #events: EventEmitter<SnapshotEvents>;
  readonly #jobs: JobRunner;
  readonly #cloner: Cloner;
  readonly #packs: PackKeeper;
  readonly #updater: MirrorUpdater;
  /** Those that are ready, and those that somebody waits for. */
  readonly #mirrors = new Map<string, Mirror>();
  readonly #housekeeping: Housekeeping;
  readonly #evictions = new Evictions();

  constructor(
    config: SnapshotConfig,
    events: EventEmitter<SnapshotEvents>,
    {
      snapshots,
      ...observers
    }: Pick<PackKeeperOptions, 'onPruned' | 'onIncomplete'> & Pick<ClonerOptions, 'snapshots'>,
  ) {
    const onBroken = (repository: RepositoryId, error: SnapshotError) => {
      events.emit('mirrorBroken', { repository, error });
    };
    this.#directory = new MirrorDirectory(join(config.dataDir, 'mirrors'), onBroken);
    this.#housekeeping = new Housekeeping({
      maxBytes: config.limits.maxMirrorBytes,
      list: () => this.list(),
      evict: (mirror) => this.#evict(mirror),
    });
    this.#events = events;
    const jobs = new JobRunner(config, events);
    this.#jobs = jobs;
    const { failureMemory, stallTimeout, maxPackBytes } = config.limits;
    this.#cloner = new Cloner({ jobs, events, failureMemory, stallTimeout, snapshots });
    const access = {
      lease: (mirror: Mirror) => this.#lease(mirror),
      setAside: (lease: MirrorLease, error: unknown) => this.setAside(lease, error),
      giveUp: (lease: MirrorLease, error: SnapshotError) => this.#giveUp(lease, error),
    };
    this.#packs = new PackKeeper({ jobs, events, access, maxPackBytes, ...observers });
    this.#updater = new MirrorUpdater(jobs, this.#packs, access);
  }

  /** Makes the directory, removes from it what a crash left, and finds the mirrors that are there. */
  async start(): Promise<void> {
    await this.#directory.prepare();
    const limit = pLimit(CONCURRENT_INSPECTIONS);
    const places = await this.#directory.places();
    // One that can't be read, or removed, at the moment must not keep others from being served.
    const onFailure = (cause: unknown) => {
      const error = toSnapshotError(cause);
      this.#events.emit('mirrorBroken', { repository: undefined, error });
    };
    await Promise.all(places.map((place) => limit(() => this.#takeOver(place).catch(onFailure))));
    await this.#housekeeping.keepBudget().catch(onFailure);
  }

  /** What is known of the repository's mirror; `undefined` when there is none. */
  find(repository: RepositoryId): Mirror | undefined {
    return this.#mirrors.get(repositoryKey(repository));
  }

  /** When a host may be asked about mirrors again, as it said: by `performance.now()`. */
  pausedUntil(host: string): number {
    return this.#jobs.pausedUntil(host);
  }

  /** All that are known. */
  list(): Mirror[] {
    return [...this.#mirrors.values()];
  }

  /** Notes that a client asked for the repository. */
  async touch(repository: RepositoryId): Promise<void> {
    const mirror = this.find(repository);
    if (mirror !== undefined) await noteUse(mirror);
  }

  /**
   * The repository's mirror to be read, found on disk or cloned now.
   *
   * @param signal ends the clone, and with it the waiting of all others: to be aborted only by who
   * owns the generation.
   * @throws SnapshotError `UPSTREAM_*`, `REPOSITORY_UNSUPPORTED`, `LIMIT_EXCEEDED`, `STORAGE_FULL`.
   */
  async lease(
    id: RepositoryId,
    signal: AbortSignal,
    { onClone = () => {}, isBackground = false }: LeaseOptions = {},
  ): Promise<MirrorLease> {
    const repository = repositoryOf(id);
    const key = repositoryKey(repository);
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      await this.#evictions.over(key, signal);
      const place = this.#directory.placeOf(repository);
      const mirror = this.#mirrors.get(key) ?? new Mirror(repository, place);
      this.#mirrors.set(key, mirror);
      const lease = await mirror.keepInUse(async () => {
        try {
          await mirror.ensureReady(async () => {
            const found = await this.#directory.find(place);
            if (found === undefined) {
              onClone();
              return await this.#clone(mirror, signal, isBackground);
            }
            mirror.bytes = found.bytes;
            return found.revision;
          });
        } finally {
          this.#forgetUnlessReady(mirror);
        }
        return await this.#lease(mirror);
      });
      if (lease !== undefined) return lease;
    }
    throw new SnapshotError('INTERNAL', 'the mirror keeps vanishing');
  }

  /**
   * Asks the upstream and fetches what is new; without a mirror, only asks. A mirror that turns out to be
   * damaged is set aside.
   *
   * @throws SnapshotError as `lease`.
   */
  async refresh(
    repository: RepositoryId,
    signal: AbortSignal,
    options: UpdateOptions = {},
  ): Promise<UpdateOutcome> {
    await this.#evictions.over(repositoryKey(repository), signal);
    const mirror = this.find(repository);
    if (mirror?.state === 'ready') {
      const outcome = await this.#updater.update(mirror, signal, options);
      if (outcome !== undefined) return outcome;
    }
    return await this.#updater.ask(repository, signal, options);
  }

  /** Finds out which of these refs, commits and objects a mirror has. */
  async lookUp(
    { directory, revision }: MirrorLease,
    what: Pick<LookUpTask, 'refs' | 'commits' | 'objects'>,
    signal: AbortSignal,
  ): Promise<LookUpResult> {
    const { repository } = revision;
    return await this.#jobs.run(repository, 'look-up', { signal }, async (_, limits) => {
      return { kind: 'look-up', mirror: directory, revision, ...what, limits };
    });
  }

  /**
   * Removes the repository's mirror, as soon as those who use it have done so. Who wants it from now on
   * gets the next one.
   *
   * @throws the signal's reason.
   */
  async evict(repository: RepositoryId, signal: AbortSignal): Promise<void> {
    await this.#evictions.run(repositoryKey(repository), async () => {
      let mirror = this.find(repository);
      while (mirror?.isInUse) {
        await unlessAborted(mirror.idle(), signal);
        mirror = this.find(repository);
      }
      if (mirror !== undefined) await this.#evict(mirror);
      else await this.#directory.discard(this.#directory.placeOf(repository));
    });
  }

  /**
   * Sets a mirror aside, so that it will be cloned anew, if it is damaged by what reading it failed with,
   * and is still as it was then.
   *
   * @returns whether it is: another lease may do. Other processes may also have removed what was read here.
   */
  async setAside(read: RevisionAt, error: unknown): Promise<boolean> {
    const damage = await findDamage(read, error);
    if (damage === undefined) return false;
    const { revision, directory } = read;
    const mirror = this.find(revision.repository);
    if (mirror === undefined || mirror.revision !== revision) return true;
    const isGone = await isOutdated(directory, revision);
    if (!isGone && mirror.revision === revision) await this.#discard(mirror, damage);
    return true;
  }

  /** Ends all that runs. Idempotent. */
  async close(): Promise<void> {
    await this.#packs.close();
    await this.#jobs.close();
    await this.#housekeeping.settled();
  }

  async #takeOver(place: string): Promise<void> {
    const mirror = await takeOver(this.#directory, place);
    if (mirror === undefined) return;
    const key = repositoryKey(mirror.repository);
    if (this.#mirrors.has(key)) return; // a request was quicker
    this.#mirrors.set(key, mirror);
    this.#packs.checkConnectivity(mirror);
  }

  async #clone(mirror: Mirror, signal: AbortSignal, isBackground: boolean) {
    const revision = await this.#cloner.clone(mirror, signal, isBackground);
    mirror.bytes = await inspectMirror(mirror.directory, revision);
    return revision;
  }

  /** The mirror's revision that is current on disk. */
  async #lease(mirror: Mirror): Promise<MirrorLease | undefined> {
    const known = mirror.revision;
    let revision: MirrorRevision | undefined;
    try {
      revision = await readRevision(mirror.directory);
    } catch (error) {
      if (!isDamage(error)) throw error;
      if (mirror.state === 'ready') await this.#discard(mirror, error);
      return undefined;
    }
    const isOther = known?.clone !== revision?.clone;
    if (revision === undefined || mirror.state !== 'ready' || isOther) {
      this.#lose(mirror);
      return undefined;
    }
    mirror.advance(revision);
    return mirror.lease(() => {
      this.#housekeeping.tidyUp(mirror);
      this.#packs.checkConnectivity(mirror);
    });
  }

  async #evict(mirror: Mirror): Promise<void> {
    const { repository, directory, bytes } = mirror;
    if (mirror.state !== 'ready') return;
    this.#lose(mirror);
    await this.#directory.discard(directory, mirror.changeFiles);
    this.#events.emit('mirrorEvicted', { repository, bytes });
  }

  /** As `MirrorAccess.giveUp`. */
  async #giveUp({ revision }: RevisionAt, error: SnapshotError): Promise<void> {
    const { repository, clone, isConnected } = revision;
    const mirror = this.find(repository);
    if (mirror?.revision?.clone !== clone) return;
    if (!isConnected) this.#cloner.rememberFailure(repository, error);
    await this.#discard(mirror, error);
  }

  /** What is damaged on disk, or was never whole. */
  async #discard(mirror: Mirror, error: SnapshotError): Promise<void> {
    const { repository, directory } = mirror;
    this.#lose(mirror);
    this.#events.emit('mirrorBroken', { repository, error });
    await this.#directory.discard(directory, mirror.changeFiles);
  }

  #lose(mirror: Mirror): void {
    mirror.lose();
    this.#forgetUnlessReady(mirror);
  }

  /** Names that clients make up must not fill the memory. */
  #forgetUnlessReady(mirror: Mirror): void {
    const key = repositoryKey(mirror.repository);
    if (mirror.state === 'empty' && this.#mirrors.get(key) === mirror) this.#mirrors.delete(key);
  }
}

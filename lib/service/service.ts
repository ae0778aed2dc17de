import { setMaxListeners } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type {
  ArtifactId,
  ArtifactSource,
  BundleId,
  EnsuredRefs,
  GeneratedArtifact,
  GetOptions,
  OpenArtifactOptions,
  OpenedArtifact,
  StoredArtifact,
  WantedRefs,
} from '../artifact/artifact.js';
import { artifactKey } from '../artifact/key.js';
import { canonicalId } from '../artifact/validate-id.js';
import { unlessAborted } from '../async/abort.js';
import { momentOf } from '../async/clock.js';
import { startup } from '../async/once-started.js';
import { repositoryAt } from '../config/hosts.js';
import type { SnapshotConfig } from '../config/options.js';
import { SnapshotError } from '../errors.js';
import { hostEvents } from '../events/call-host.js';
import type { SnapshotEvents } from '../events/events.js';
import { logFailures } from '../events/log-failures.js';
import { InProcessLocks } from '../locks/in-process.js';
import type { LockRegistry } from '../locks/registry.js';
import type { StoredSnapshots } from '../mirror/clone-mirror.js';
import { MirrorManager } from '../mirror/mirrors.js';
import type { RepositoryId } from '../repository.js';
import { FileSystemStore } from '../stores/filesystem/filesystem-store.js';
import type { SnapshotStore } from '../stores/store.js';
import { ArtifactWriter } from './artifact-writer.js';
import { Builds } from './builds.js';
import { RefFinder } from './find-ref.js';
import { FleetChecks } from './fleet-checks.js';
import { MirrorQuestions } from './mirror-questions.js';
import { PendingLimits } from './pending-limits.js';
import { Refresher } from './refresher.js';
import { Refusals } from './refusals.js';
import { Removal } from './removal.js';
import { Requests } from './requests.js';
import { listRepositories, type RepositoryStatus } from './status.js';
import { StoredArtifacts } from './stored-artifacts.js';
import { UpstreamChecks } from './upstream-checks.js';

export interface CloseOptions {
  /**
   * What becomes of builds that run: `wait` lets them finish and be stored, `abort` (default)
   * ends them, and with them the requests that wait for them.
   */
  running?: 'wait' | 'abort';
}

/**
 * Artifacts of allowed repositories: from the store, or generated on demand, and as fresh as the policy
 * says.
 *
 * Per artifact there is at most one generation at a time, here and, by the lock, among all who share
 * the store. Different repositories never wait for each other, except for a free worker, and those of
 * different hosts not even for one that is busy with an upstream.
 */
export class SnapshotService implements ArtifactSource {
  readonly events = hostEvents<SnapshotEvents>();
  readonly urlOf?: NonNullable<ArtifactSource['urlOf']>;
  readonly #config: SnapshotConfig;
  readonly #store: SnapshotStore;
  readonly #locks: LockRegistry;
  readonly #mirrors: MirrorManager;
  readonly #refusals: Refusals;
  readonly #checks: UpstreamChecks;
  readonly #writer: ArtifactWriter;
  readonly #stored: StoredArtifacts;
  readonly #builds: Builds;
  readonly #refresher: Refresher;
  readonly #removal: Removal;
  readonly #requests: Requests;
  readonly #questions: MirrorQuestions;
  readonly #closing = new AbortController();
  readonly #started = startup(() => this.#start());
  #refusing = false;
  #released: Promise<void> | undefined;

  constructor(config: SnapshotConfig) {
    const { events } = this;
    const closing = this.#closing.signal;
    // All work that runs listens to it: Node would take that for a leak.
    setMaxListeners(0, closing);
    const onEvict = (key: string) => void events.emit('evicted', { key });
    this.#config = config;
    if (config.logger !== undefined) logFailures(events, config.logger);
    this.#store =
      config.store ??
      new FileSystemStore({
        directory: join(config.dataDir, 'snapshots'),
        maxBytes: config.limits.maxStoreBytes,
        onEvict,
      });
    this.#store.watch?.((failure) => void events.emit('storeDegraded', failure));
    this.#locks = config.locks ?? new InProcessLocks();
    const onPruned = (repository: RepositoryId) => this.#refresher.rebuildPruned(repository);
    const onIncomplete = (repository: RepositoryId) => this.#removal.deleteStored(repository);
    const snapshots: StoredSnapshots = {
      open: async (repository, signal) => {
        const found = await this.#stored.open(repository, { signal });
        if (found === undefined) return undefined;
        const { body, revision } = found.artifact;
        const damaged = () => {
          this.#stored.distrust(repository, revision);
          this.#refresher.rebuildForced(repository);
        };
        return { body, damaged };
      },
    };
    const watchers = { onPruned, onIncomplete };
    this.#mirrors = new MirrorManager(config, events, { ...watchers, snapshots, closing });
    // Who brings locks has others to share them with.
    const fleet = config.locks && new FleetChecks(this.#store, config.locks);
    const mirrors = this.#mirrors;
    const { freshness: policy } = config;
    const { forgetAfter } = policy;
    const onRefused = (repository: RepositoryId) => this.#onRefused(repository);
    this.#refusals = new Refusals({ store: this.#store, forgetAfter, onRefused });
    const refusals = this.#refusals;
    this.#checks = new UpstreamChecks({ policy, mirrors, refusals, events, fleet, closing });
    this.#writer = new ArtifactWriter(config, this.#store, events);
    this.#stored = new StoredArtifacts(config, this.#store, onEvict);
    const started = this.#started;
    // Whoever needs it has it tried again.
    started().catch(() => {});
    const [checks, stored] = [this.#checks, this.#stored];
    const parts = { config, events, mirrors, checks, refusals, stored };
    const [writer, locks] = [this.#writer, this.#locks];
    const pending = new PendingLimits(config.limits);
    const search = new RefFinder(config, this.#checks);
    const work = { ...parts, pending, search, started, closing };
    this.#builds = new Builds({ ...work, writer, locks });
    const builds = this.#builds;
    this.#refresher = new Refresher(config, this.#checks, builds, this.#stored);
    const refresher = this.#refresher;
    this.#requests = new Requests({ ...parts, builds, refresher });
    if (this.#stored.haveUrls) {
      this.urlOf = async (id, ...about) => await this.#requests.urlOf(this.#canonical(id), ...about);
    }
    this.#removal = new Removal({
      ...parts,
      store: this.#store,
      isFleet: fleet !== undefined,
      untilStored: (repository) => this.#requests.untilStored(repository, undefined),
      closing,
    });
    const onAsked = (repository: RepositoryId) => this.#requests.note(repository);
    this.#questions = new MirrorQuestions({ ...work, refresher, onAsked });
  }

  /**
   * Resolves when the directories are there, what a crash left is gone, and mirrors were found. Nobody
   * needs to wait for it: hits are served before, and all else waits by itself. After a failure it is tried
   * again for whoever asks next.
   *
   * @throws SnapshotError
   */
  get started(): Promise<void> {
    return this.#started();
  }

  async stat(id: ArtifactId, options?: GetOptions): Promise<StoredArtifact | undefined> {
    return await this.#requests.stat(this.#canonical(id), options);
  }

  async current(id: ArtifactId, options?: GetOptions): Promise<StoredArtifact | undefined> {
    return await this.#requests.current(this.#canonical(id), options);
  }

  async pinned(
    id: ArtifactId,
    etags: readonly string[],
    options?: GetOptions,
  ): Promise<StoredArtifact | undefined> {
    return await this.#requests.pinned(this.#canonical(id), etags, options);
  }

  async open(id: ArtifactId, options?: OpenArtifactOptions): Promise<OpenedArtifact | undefined> {
    return await this.#requests.open(this.#canonical(id), options);
  }

  /**
   * @throws SnapshotError any of `UPSTREAM_*`, `REPOSITORY_*`, `REF_NOT_FOUND`, `BASE_NOT_FOUND`,
   * `LIMIT_EXCEEDED`, `STORE_FAILED`, `STORAGE_FULL`, `OVERLOADED`, `TOO_MANY_VARIANTS`, `LOCK_FAILED`,
   * `FORBIDDEN`, `INVALID_REQUEST`, `CLOSED`, `INTERNAL`; the signal's reason.
   */
  async get(id: ArtifactId, options?: GetOptions): Promise<OpenedArtifact | GeneratedArtifact> {
    return await this.#requests.get(this.#canonical(id), options);
  }

  async isUpToDate(id: BundleId, options?: GetOptions): Promise<boolean> {
    return await this.#questions.isUpToDate(this.#canonical(id), options);
  }

  async ensureRefs(
    repository: RepositoryId,
    wanted: WantedRefs,
    options?: GetOptions,
  ): Promise<EnsuredRefs> {
    return await this.#questions.ensureRefs(this.#canonical(repository), wanted, options);
  }

  headOf(repository: RepositoryId): string | undefined {
    return this.#mirrors.find(this.#canonical(repository))?.revision?.head.oid;
  }

  /**
   * Asks the upstream now, and brings the mirror and the default snapshot up to date; makes them, if
   * they are not there. Resolves when that is stored.
   *
   * @throws SnapshotError as `get`.
   */
  async refresh(repository: RepositoryId, { signal }: GetOptions = {}): Promise<StoredArtifact> {
    const canonical = this.#canonical(repository);
    if (this.#refusing) throw new SnapshotError('CLOSED', 'the service is closed or closing');
    return await unlessAborted(this.#refresher.refresh(canonical), signal);
  }

  /**
   * Says that something was pushed to a repository, by its URL: it is refreshed soon, if it is known here.
   * However often that is said, the upstream is asked no more often than every `checkInterval`.
   *
   * @returns whether it is known: was asked for, or is mirrored or stored.
   * @throws SnapshotError `STORE_FAILED`
   */
  async pushed(url: string): Promise<boolean> {
    const repository = repositoryAt(this.#config, url);
    if (repository === undefined || this.#refusing) return false;
    const isKnown = await this.#knows(repository);
    if (isKnown) this.#refresher.pushed(repository);
    return isKnown;
  }

  /** Removes one stored artifact, if it is there. The mirror stays. */
  async delete(id: ArtifactId): Promise<void> {
    const canonical = this.#canonical(id);
    await this.#requests.untilStored(canonical, undefined);
    await this.#stored.delete(artifactKey(canonical));
  }

  /**
   * Removes the repository's mirror and all that is stored of it. Waits for those who read the mirror;
   * who is being sent something stored gets the rest of it.
   *
   * @throws SnapshotError `CLOSED` when the service is closed meanwhile.
   */
  async evict(repository: RepositoryId): Promise<void> {
    const canonical = this.#canonical(repository);
    await unlessAborted(this.#started(), this.#closing.signal);
    await this.#removal.evict(canonical);
  }

  /** All repositories that this service has a mirror of, or was asked for. */
  async repositories(): Promise<RepositoryStatus[]> {
    const mirrors = this.#mirrors;
    return await listRepositories({ mirrors, checks: this.#checks, stored: this.#stored });
  }

  /** Ends everything that runs, starts nothing new, and releases workers, store and locks. Idempotent. */
  async close({ running = 'abort' }: CloseOptions = {}): Promise<void> {
    this.#refusing = true;
    this.#requests.close();
    this.#questions.close();
    this.#refresher.stop();
    this.#removal.stop();
    if (running === 'wait') await this.#builds.settled();
    this.#closing.abort(new SnapshotError('CLOSED', 'the service was closed'));
    await this.#builds.settled();
    this.#released ??= this.#release();
    await this.#released;
  }

  /** What is asked for by the one name of its repository, once it is valid and allowed. */
  #canonical<Id extends ArtifactId>(id: Id): Id {
    return canonicalId(this.#config, id);
  }

  /** When it is refused for too long shows then, though nobody asks for it. */
  #onRefused(repository: RepositoryId): void {
    if (this.#refusals.isToBeRemoved(repository)) this.#removal.forget(repository);
    else this.#refresher.checkAt(repository, this.#refusals.overAt(repository));
  }

  async #release(): Promise<void> {
    await Promise.all([this.#mirrors.close(), this.#writer.close()]);
    await Promise.all([this.#checks.settled(), this.#refresher.settled()]);
    await this.#removal.settled();
    await Promise.allSettled([this.#started()]);
    await Promise.all([this.#store.close?.(), this.#locks.close?.()]);
  }

  async #start(): Promise<void> {
    this.#closing.signal.throwIfAborted();
    await mkdir(this.#config.dataDir, { recursive: true });
    // A store of files looks for what a crash left when it is first asked. Whether a store works is
    // for those to find out who need it.
    const store = this.#store.stat(artifactKey({ host: '', path: '' })).catch(() => undefined);
    const parts = [this.#mirrors.start(), this.#writer.start(), store];
    // Another try must not meet what is left of this one.
    await Promise.allSettled(parts);
    await Promise.all(parts);
    for (const { repository, usedAt } of this.#mirrors.list()) {
      this.#checks.know(repository, momentOf(usedAt));
      this.#refresher.keepWarm(repository);
    }
  }

  async #knows(repository: RepositoryId): Promise<boolean> {
    const isListed = () =>
      this.#checks.find(repository) !== undefined ||
      this.#mirrors.find(repository) !== undefined;
    if (isListed()) return true;
    await this.#started();
    return isListed() || (await this.#stored.stat(repository)) !== undefined;
  }
}

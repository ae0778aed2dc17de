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
import { MirrorQueries } from './ensure-refs.js';
import { RefFinder } from './find-ref.js';
import { FleetChecks } from './fleet-checks.js';
import { KnownUpstreams } from './known-upstreams.js';
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
   * What happens to running builds: `wait` lets them finish and be stored; `abort` (default) ends them, and the
   * requests that wait for them.
   */
  running?: 'wait' | 'abort';
}

/**
 * Serves artifacts of allowed repositories: from the store, or built on demand, and as fresh as the policy says.
 *
 * Each artifact has at most one build at a time, in this process and, by a lock, among all processes that share the
 * store. Different repositories wait for each other only for a free worker, and those of different hosts only for
 * one that is not busy with an upstream.
 */
export class SnapshotService implements ArtifactSource {
  readonly events = hostEvents<SnapshotEvents>();
  readonly urlOf?: NonNullable<ArtifactSource['urlOf']>;
  readonly #config: SnapshotConfig;
  readonly #store: SnapshotStore;
  readonly #locks: LockRegistry;
  readonly #stored: StoredArtifacts;
  readonly #mirrors: MirrorManager;
  readonly #refusals: Refusals;
  readonly #known: KnownUpstreams;
  readonly #checks: UpstreamChecks;
  readonly #writer: ArtifactWriter;
  readonly #builds: Builds;
  readonly #refresher: Refresher;
  readonly #requests: Requests;
  readonly #queries: MirrorQueries;
  readonly #removal: Removal;
  /** Aborts when `close` begins: nothing new begins from then on. */
  readonly #stopping = new AbortController();
  /** Aborts when all that runs must end. */
  readonly #closing = new AbortController();
  readonly #started = startup(() => this.#start());
  #released: Promise<void> | undefined;

  constructor(config: SnapshotConfig) {
    const { events } = this;
    const { limits, freshness: policy } = config;
    const stopping = this.#stopping.signal;
    const closing = this.#closing.signal;
    // All running work listens to them: Node would warn of a leak.
    setMaxListeners(0, stopping, closing);
    const onEvict = (key: string) => void events.emit('evicted', { key });
    if (config.logger !== undefined) logFailures(events, config.logger);
    const directory = join(config.dataDir, 'snapshots');
    const store: SnapshotStore =
      config.store ?? new FileSystemStore({ directory, maxBytes: limits.maxStoreBytes, onEvict });
    store.watch?.((failure) => void events.emit('storeDegraded', failure));
    const locks = config.locks ?? new InProcessLocks();
    // An app that brings locks shares the store with other processes.
    const fleet = config.locks && new FleetChecks(store, config.locks);
    const started = this.#started;
    const stored = new StoredArtifacts(config, store, onEvict);
    const base = { config, policy, limits, events, stored, store, stopping, closing, started };
    const mirrors = new MirrorManager(config, events, {
      closing,
      snapshots: this.#storedSnapshots(stored),
      onPruned: (repository) => this.#refresher.rebuildPruned(repository),
      onIncomplete: (repository) => this.#removal.deleteStored(repository),
    });
    const refusals = new Refusals({
      store,
      forgetAfter: policy.forgetAfter,
      onRefused: (repository) => this.#onRefused(repository),
    });
    const known = new KnownUpstreams({ policy, mirrors, refusals });
    const upstreams = { ...base, mirrors, refusals, known };
    const checks = new UpstreamChecks({ ...upstreams, fleet });
    const pending = new PendingLimits(limits);
    const search = new RefFinder(config, known, checks);
    const writer = new ArtifactWriter(config, store, events);
    const work = { ...upstreams, checks, pending, search };
    const builds = new Builds({ ...work, writer, locks });
    const refresher = new Refresher({ ...work, builds });
    this.#config = config;
    this.#store = store;
    this.#locks = locks;
    this.#stored = stored;
    this.#mirrors = mirrors;
    this.#refusals = refusals;
    this.#known = known;
    this.#checks = checks;
    this.#writer = writer;
    this.#builds = builds;
    this.#refresher = refresher;
    this.#requests = new Requests({ ...work, builds, refresher });
    this.#queries = new MirrorQueries({ ...work, refresher });
    this.#removal = new Removal({ ...upstreams, builds, isFleet: fleet !== undefined });
    if (stored.haveUrls) {
      this.urlOf = async (id, ...about) =>
        await this.#requests.urlOf(this.#canonical(id), ...about);
    }
    // A failed start is repeated for the next caller that needs it.
    started().catch(() => {});
  }

  /**
   * Resolves when the directories exist, a crash's leftovers are removed, and the mirrors were found. Callers need
   * not wait: hits are served before, and all other requests wait by themselves. A failed start is repeated for the
   * next caller.
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
    return await this.#queries.isUpToDate(this.#canonical(id), options);
  }

  async ensureRefs(
    repository: RepositoryId,
    wanted: WantedRefs,
    options?: GetOptions,
  ): Promise<EnsuredRefs> {
    return await this.#queries.ensureRefs(this.#canonical(repository), wanted, options);
  }

  headOf(repository: RepositoryId): string | undefined {
    return this.#mirrors.find(this.#canonical(repository))?.revision?.head.oid;
  }

  /**
   * Checks the upstream now, and brings the mirror and the default snapshot up to date; creates them if they are
   * missing. Resolves when the snapshot is stored.
   *
   * @throws SnapshotError as `get`.
   */
  async refresh(repository: RepositoryId, { signal }: GetOptions = {}): Promise<StoredArtifact> {
    const canonical = this.#canonical(repository);
    if (this.#stopping.signal.aborted) {
      throw new SnapshotError('CLOSED', 'the service is closed or closing');
    }
    return await unlessAborted(this.#refresher.refresh(canonical), signal);
  }

  /**
   * Reports a push to the repository with this URL. A known repository is refreshed soon. However often this is
   * called, the upstream is checked at most every `checkInterval`.
   *
   * @returns whether the repository is known: a client requested it, or it is mirrored or stored.
   * @throws SnapshotError `STORE_FAILED`
   */
  async pushed(url: string): Promise<boolean> {
    const repository = repositoryAt(this.#config, url);
    if (repository === undefined || this.#stopping.signal.aborted) return false;
    const isKnown = await this.#knows(repository);
    if (isKnown) this.#refresher.pushed(repository);
    return isKnown;
  }

  /** Deletes a stored artifact, if there is one. The mirror stays. */
  async delete(id: ArtifactId): Promise<void> {
    const canonical = this.#canonical(id);
    await this.#builds.untilStored(canonical);
    await this.#stored.delete(artifactKey(canonical));
  }

  /**
   * Removes the repository's mirror and its stored artifacts. Waits for readers of the mirror. Downloads that run go
   * on to their end.
   *
   * @throws SnapshotError `CLOSED` when the service is closed meanwhile.
   */
  async evict(repository: RepositoryId): Promise<void> {
    const canonical = this.#canonical(repository);
    await unlessAborted(this.#started(), this.#closing.signal);
    await this.#removal.evict(canonical);
  }

  /** The status of all repositories that have a mirror, or that clients have requested. */
  async repositories(): Promise<RepositoryStatus[]> {
    return await listRepositories({
      policy: this.#config.freshness,
      mirrors: this.#mirrors,
      known: this.#known,
      stored: this.#stored,
    });
  }

  /** Ends all running work, begins nothing new, and releases workers, store and locks. Idempotent. */
  async close({ running = 'abort' }: CloseOptions = {}): Promise<void> {
    this.#stopping.abort();
    if (running === 'wait') await this.#builds.settled();
    this.#closing.abort(new SnapshotError('CLOSED', 'the service was closed'));
    await this.#builds.settled();
    this.#released ??= this.#release();
    await this.#released;
  }

  /** The id with the canonical name of its repository. @throws SnapshotError if it is invalid or not allowed. */
  #canonical<Id extends ArtifactId>(id: Id): Id {
    return canonicalId(this.#config, id);
  }

  /** Checks again when the refusal may last too long, even if no client requests the repository. */
  #onRefused(repository: RepositoryId): void {
    if (this.#refusals.isToBeRemoved(repository)) this.#removal.forget(repository);
    else this.#refresher.checkAt(repository, this.#refusals.overAt(repository));
  }

  /** The stored snapshots, for mirrors that are made from them. */
  #storedSnapshots(stored: StoredArtifacts): StoredSnapshots {
    return {
      open: async (repository, signal) => {
        const found = await stored.open(repository, { signal });
        if (found === undefined) return undefined;
        const { body, revision } = found.artifact;
        const damaged = () => {
          stored.distrust(repository, revision);
          this.#refresher.rebuildForced(repository);
        };
        return { body, damaged };
      },
    };
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
    // The first call makes a store on disk remove a crash's leftovers. A store that fails shows later.
    const store = this.#store.stat(artifactKey({ host: '', path: '' })).catch(() => undefined);
    const parts = [this.#mirrors.start(), this.#writer.start(), store];
    // The next attempt must not run beside parts of this one.
    await Promise.allSettled(parts);
    await Promise.all(parts);
    for (const { repository, usedAt } of this.#mirrors.list()) {
      this.#known.know(repository, momentOf(usedAt));
      this.#refresher.refreshAtIntervals(repository);
    }
  }

  async #knows(repository: RepositoryId): Promise<boolean> {
    const isListed = () =>
      this.#known.isKnown(repository) || this.#mirrors.find(repository) !== undefined;
    if (isListed()) return true;
    await this.#started();
    return isListed() || (await this.#stored.stat(repository)) !== undefined;
  }
}

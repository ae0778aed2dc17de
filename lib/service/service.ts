import { setMaxListeners } from 'node:events';
import { mkdir } from 'node:fs/promises';
import type {
  ArtifactSource,
  EnsuredRefs,
  GeneratedArtifact,
  GetOptions,
  OpenArtifactOptions,
  OpenedArtifact,
  StoredArtifact,
  WantedRefs,
} from '../artifact/artifact.js';
import { type ArtifactId, type BundleId, defaultSnapshot } from '../artifact/id.js';
import { artifactKey } from '../artifact/key.js';
import { allowedRepository, canonicalId } from '../artifact/validate-id.js';
import { unlessAborted } from '../async/abort.js';
import { momentOf } from '../async/clock.js';
import { MAX_DELAY } from '../async/deadline.js';
import { startup } from '../async/retry.js';
import { repositoryAt } from '../config/hosts.js';
import type { ServiceConfig } from '../config/options.js';
import { SnapshotError } from '../errors.js';
import type { SnapshotEvents } from '../events/events.js';
import { hostEvents } from '../events/host-events.js';
import { logFailures } from '../events/log-failures.js';
import type { RepositoryId } from '../repository.js';
import { createParts, type ServiceParts } from './parts.js';
import { listRepositories, type RepositoryStatus } from './status.js';

export interface CloseOptions {
  /**
   * Running builds: `wait` lets them finish and be stored; `abort` (default) ends them, and the
   * requests that wait for them.
   */
  running?: 'wait' | 'abort';
}

/**
 * Serves artifacts of allowed repositories: from the store, or built on demand, and as fresh as the
 * policy says.
 *
 * Each artifact has at most one build at a time, by a lock also among all processes that share the
 * store. Repositories wait for each other only for a free worker; those of different hosts only for
 * workers that are not busy with an upstream.
 */
export class SnapshotService implements ArtifactSource {
  readonly events = hostEvents<SnapshotEvents>();
  readonly urlOf?: NonNullable<ArtifactSource['urlOf']>;
  readonly #config: ServiceConfig;
  readonly #parts: ServiceParts;
  /** Aborts when `close` begins: nothing new begins from then on. */
  readonly #stopping = new AbortController();
  /** Aborts when all running work must end. */
  readonly #closing = new AbortController();
  readonly #started = startup(() => this.#start());
  #released: Promise<void> | undefined;

  constructor(config: ServiceConfig) {
    const { events } = this;
    const stopping = this.#stopping.signal;
    const closing = this.#closing.signal;
    // All running work listens to these signals. Without this, Node would warn of a leak.
    setMaxListeners(0, stopping, closing);
    if (config.logger !== undefined) logFailures(events, config.logger);
    this.#config = config;
    this.#parts = createParts({ config, events, started: this.#started, stopping, closing });
    const { stored, requests } = this.#parts;
    if (stored.haveUrls) {
      this.urlOf = async (id, ...about) => await requests.urlOf(this.#canonical(id), ...about);
    }
    // A failed start is repeated for the next caller that needs it.
    this.#started().catch(() => {});
  }

  /**
   * Resolves when the directories exist, a crash's leftovers are removed, and the mirrors were
   * found. Hits are served before; other requests wait by themselves. A failed start is repeated
   * for the next caller.
   *
   * @throws SnapshotError
   */
  get started(): Promise<void> {
    return this.#started();
  }

  async stat(id: ArtifactId, options?: GetOptions): Promise<StoredArtifact | undefined> {
    return await this.#parts.requests.stat(this.#canonical(id), options);
  }

  async current(id: ArtifactId, options?: GetOptions): Promise<StoredArtifact | undefined> {
    return await this.#parts.requests.current(this.#canonical(id), options);
  }

  async pinned(
    id: ArtifactId,
    etags: readonly string[],
    options?: GetOptions,
  ): Promise<StoredArtifact | undefined> {
    return await this.#parts.requests.pinned(this.#canonical(id), etags, options);
  }

  async open(id: ArtifactId, options?: OpenArtifactOptions): Promise<OpenedArtifact | undefined> {
    return await this.#parts.requests.open(this.#canonical(id), options);
  }

  /**
   * @throws SnapshotError any of `UPSTREAM_*`, `REPOSITORY_*`, `REF_NOT_FOUND`, `BASE_NOT_FOUND`,
   * `LIMIT_EXCEEDED`, `STORE_FAILED`, `STORAGE_FULL`, `OVERLOADED`, `TOO_MANY_VARIANTS`,
   * `LOCK_UNAVAILABLE`, `FORBIDDEN`, `INVALID_REQUEST`, `CLOSED`, `INTERNAL`; the signal's reason.
   */
  async get(id: ArtifactId, options?: GetOptions): Promise<OpenedArtifact | GeneratedArtifact> {
    return await this.#parts.requests.get(this.#canonical(id), options);
  }

  async isUpToDate(id: BundleId, options?: GetOptions): Promise<boolean> {
    return await this.#parts.queries.isUpToDate(this.#canonical(id), options);
  }

  async ensureRefs(
    repository: RepositoryId,
    wanted: WantedRefs,
    options?: GetOptions,
  ): Promise<EnsuredRefs> {
    return await this.#parts.queries.ensureRefs(this.#allowed(repository), wanted, options);
  }

  headOf(repository: RepositoryId): string | undefined {
    return this.#parts.mirrors.find(this.#allowed(repository))?.revision?.head.oid;
  }

  /**
   * Checks the upstream now, and brings the mirror and the default snapshot up to date; creates
   * them if they are missing. Resolves when the snapshot is stored.
   *
   * @throws SnapshotError as `get`.
   */
  async refresh(repository: RepositoryId, { signal }: GetOptions = {}): Promise<StoredArtifact> {
    const canonical = this.#allowed(repository);
    this.#stopping.signal.throwIfAborted();
    return await unlessAborted(this.#parts.refresher.refresh(canonical), signal);
  }

  /**
   * Reports a push to the repository with this URL. A known repository is refreshed soon. The
   * upstream is checked at most once per `checkInterval`.
   *
   * @returns whether the repository is known: a client requested it, or it is mirrored or stored.
   * @throws SnapshotError `STORE_FAILED`
   */
  async pushed(url: string): Promise<boolean> {
    const repository = repositoryAt(this.#config, url);
    if (repository === undefined || this.#stopping.signal.aborted) return false;
    const isKnown = await this.#knows(repository);
    if (isKnown) this.#parts.refresher.checkWhenAllowed(repository);
    return isKnown;
  }

  /** Deletes a stored artifact, if there is one. The mirror stays. */
  async delete(id: ArtifactId): Promise<void> {
    const canonical = this.#canonical(id);
    await this.#parts.builds.untilStored(canonical);
    await this.#parts.stored.delete(artifactKey(canonical));
  }

  /**
   * Removes the repository's mirror and its stored artifacts. Waits for readers of the mirror.
   * Running downloads continue.
   *
   * @throws SnapshotError `CLOSED` when the service is closed meanwhile.
   */
  async evict(repository: RepositoryId): Promise<void> {
    const canonical = this.#allowed(repository);
    await unlessAborted(this.#started(), this.#closing.signal);
    await this.#parts.removal.evict(canonical);
  }

  /** The status of all repositories that have a mirror, or that clients have requested. */
  async repositories(): Promise<RepositoryStatus[]> {
    return await listRepositories(this.#parts);
  }

  /** Ends all work, begins none, and releases workers, store and locks. Idempotent. */
  async close({ running = 'abort' }: CloseOptions = {}): Promise<void> {
    // This waits for threads and timers that don't keep the process alive.
    const alive = setInterval(() => {}, MAX_DELAY);
    try {
      this.#stopping.abort(new SnapshotError('CLOSED', 'the service is closed or closing'));
      if (running === 'wait') await this.#parts.builds.settled();
      this.#closing.abort(new SnapshotError('CLOSED', 'the service was closed'));
      await this.#parts.builds.settled();
      this.#released ??= this.#release();
      await this.#released;
    } finally {
      clearInterval(alive);
    }
  }

  /** The id, its repository canonical. @throws SnapshotError if it is invalid or not allowed. */
  #canonical<Id extends ArtifactId>(id: Id): Id {
    return canonicalId(this.#config, id);
  }

  #allowed(repository: RepositoryId): RepositoryId {
    return allowedRepository(this.#config, repository);
  }

  async #release(): Promise<void> {
    await Promise.all([this.#parts.mirrors.close(), this.#parts.writer.close()]);
    await Promise.all([this.#parts.checks.settled(), this.#parts.refresher.settled()]);
    await this.#parts.removal.settled();
    await Promise.allSettled([this.#started()]);
    await Promise.all([this.#parts.store.close?.(), this.#parts.locks.close?.()]);
  }

  async #start(): Promise<void> {
    this.#closing.signal.throwIfAborted();
    await mkdir(this.#config.dataDir, { recursive: true });
    // The first call makes a store on disk clean up after a crash. Later calls show its failures.
    const store = this.#parts.store
      .stat(artifactKey(defaultSnapshot({ host: '', path: '' })))
      .catch(() => undefined);
    const parts = [this.#parts.mirrors.start(), this.#parts.writer.start(), store];
    // Waits for all parts: the next attempt must not run beside parts of this one.
    await Promise.allSettled(parts);
    await Promise.all(parts);
    for (const { repository, usedAt } of this.#parts.mirrors.list()) {
      this.#parts.known.know(repository, momentOf(usedAt));
      this.#parts.refresher.refreshAtIntervals(repository);
    }
  }

  async #knows(repository: RepositoryId): Promise<boolean> {
    const isListed = () =>
      this.#parts.known.isKnown(repository) || this.#parts.mirrors.find(repository) !== undefined;
    if (isListed()) return true;
    await this.#started();
    if (isListed()) return true;
    const isStored = (await this.#parts.stored.stat(defaultSnapshot(repository))) !== undefined;
    // From now on its checks are throttled, and their failures and refusals remembered.
    if (isStored) this.#parts.known.know(repository);
    return isStored;
  }
}

import { setMaxListeners } from 'node:events';
import { mkdir } from 'node:fs/promises';
import type {
  BuiltArtifact,
  DownloadUrlOptions,
  EnsuredRefs,
  OpenedArtifact,
  OpenStoredOptions,
  SignalOption,
  StatStoredOptions,
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
import { originUrl, repositoryAt } from '../config/hosts.js';
import type { SnapshotConfig } from '../config/options.js';
import { SnapshotError } from '../errors.js';
import type { SnapshotEvents } from '../events/events.js';
import { hostEvents } from '../events/host-events.js';
import { logFailures } from '../events/log-failures.js';
import type { RepositoryId } from '../repository.js';
import { createParts, type ServiceParts } from './parts.js';
import type { CloseOptions, SnapshotService } from './snapshot-service.js';
import { listRepositories, type RepositoryStatus } from './status.js';

/**
 * The service that `createSnapshotService` makes: checks what its callers give, and hands it to the
 * parts.
 *
 * Each artifact has at most one build at a time, by a lock also among all processes that share the
 * store. Repositories wait for each other only for a free worker; those of different hosts only for
 * workers that are not busy with an upstream.
 */
export class ArtifactService implements SnapshotService {
  readonly events = hostEvents<SnapshotEvents>();
  readonly #config: SnapshotConfig;
  readonly #parts: ServiceParts;
  /** Aborts when `close` begins: nothing new begins from then on. */
  readonly #stopping = new AbortController();
  /** Aborts when all running work must end. */
  readonly #closing = new AbortController();
  readonly #started = startup(() => this.#start());
  #released: Promise<void> | undefined;

  constructor(config: SnapshotConfig) {
    const { events } = this;
    const stopping = this.#stopping.signal;
    const closing = this.#closing.signal;
    // All running work listens to these signals. Without this, Node would warn of a leak.
    setMaxListeners(0, stopping, closing);
    if (config.logger !== undefined) logFailures(events, config.logger);
    this.#config = config;
    this.#parts = createParts({ config, events, started: this.#started, stopping, closing });
    // A failed start is repeated for the next caller that needs it.
    this.#started().catch(() => {});
  }

  async ready(): Promise<void> {
    await this.#started();
  }

  get hasDownloadUrls(): boolean {
    return this.#parts.stored.haveUrls;
  }

  resolve(repository: RepositoryId): RepositoryId {
    return allowedRepository(this.#config, repository);
  }

  originUrl(repository: RepositoryId): string {
    return originUrl(this.#config, this.resolve(repository));
  }

  async statStored(
    id: ArtifactId,
    options?: StatStoredOptions,
  ): Promise<StoredArtifact | undefined> {
    return await this.#parts.requests.statStored(this.#canonical(id), options);
  }

  async openStored(
    id: ArtifactId,
    options?: OpenStoredOptions,
  ): Promise<OpenedArtifact | undefined> {
    return await this.#parts.requests.openStored(this.#canonical(id), options);
  }

  async get(id: ArtifactId, options?: SignalOption): Promise<OpenedArtifact | BuiltArtifact> {
    return await this.#parts.requests.get(this.#canonical(id), options);
  }

  async getDownloadUrl(
    id: ArtifactId,
    stored: StoredArtifact,
    options: DownloadUrlOptions,
  ): Promise<string | undefined> {
    return await this.#parts.requests.getDownloadUrl(this.#canonical(id), stored, options);
  }

  async isHead(id: BundleId, options?: SignalOption): Promise<boolean> {
    return await this.#parts.queries.isHead(this.#canonical(id), options);
  }

  async ensureRefs(
    repository: RepositoryId,
    wanted: WantedRefs,
    options?: SignalOption,
  ): Promise<EnsuredRefs> {
    return await this.#parts.queries.ensureRefs(this.resolve(repository), wanted, options);
  }

  headCommit(repository: RepositoryId): string | undefined {
    return this.#parts.mirrors.find(this.resolve(repository))?.revision?.head.oid;
  }

  async refresh(repository: RepositoryId, { signal }: SignalOption = {}): Promise<StoredArtifact> {
    const canonical = this.resolve(repository);
    this.#stopping.signal.throwIfAborted();
    return await unlessAborted(this.#parts.refresher.refresh(canonical), signal);
  }

  async notifyPush(url: string): Promise<boolean> {
    const repository = repositoryAt(this.#config, url);
    if (repository === undefined || this.#stopping.signal.aborted) return false;
    const isKnown = await this.#knows(repository);
    if (isKnown) this.#parts.refresher.checkWhenAllowed(repository);
    return isKnown;
  }

  async delete(id: ArtifactId): Promise<void> {
    const canonical = this.#canonical(id);
    await this.#parts.builds.untilStored(canonical);
    await this.#parts.stored.delete(artifactKey(canonical));
  }

  async purge(repository: RepositoryId): Promise<void> {
    const canonical = this.resolve(repository);
    await unlessAborted(this.#started(), this.#closing.signal);
    await this.#parts.removal.purge(canonical);
  }

  async listRepositories(): Promise<RepositoryStatus[]> {
    return await listRepositories(this.#parts);
  }

  async close({ drain = false }: CloseOptions = {}): Promise<void> {
    // This waits for threads and timers that don't keep the process alive.
    const alive = setInterval(() => {}, MAX_DELAY);
    try {
      this.#stopping.abort(new SnapshotError('CLOSED', 'the service is closed or closing'));
      if (drain) await this.#parts.builds.settled();
      this.#closing.abort(new SnapshotError('CLOSED', 'the service was closed'));
      await this.#parts.builds.settled();
      this.#released ??= this.#release();
      await this.#released;
    } finally {
      clearInterval(alive);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The id, its repository canonical. @throws SnapshotError if it is invalid or not allowed. */
  #canonical<Id extends ArtifactId>(id: Id): Id {
    return canonicalId(this.#config, id);
  }

  async #release(): Promise<void> {
    await Promise.all([this.#parts.mirrors.close(), this.#parts.writer.close()]);
    await Promise.all([this.#parts.checks.settled(), this.#parts.refresher.settled()]);
    await this.#parts.removal.settled();
    await Promise.allSettled([this.#started()]);
    // The host app closes the store and the locks that it has made.
    if (this.#config.store === undefined) await this.#parts.store.close?.();
    if (this.#config.locks === undefined) await this.#parts.locks.close?.();
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

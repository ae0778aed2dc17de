import { setMaxListeners } from 'node:events';
import type {
  BuiltArtifact,
  DownloadHeaders,
  EnsuredRefs,
  GetOptions,
  OpenedArtifact,
  OpenStoredOptions,
  StatStoredOptions,
  StoredArtifact,
  WantedRefs,
} from '../artifact/artifact.js';
import { type ArtifactId, type BundleId, defaultSnapshot, isIncremental } from '../artifact/id.js';
import { artifactKey } from '../artifact/key.js';
import { allowedRepository, canonicalId } from '../artifact/validate-id.js';
import { abortable, unlessAborted } from '../async/abort.js';
import { MAX_DELAY } from '../async/deadline.js';
import { startup } from '../async/retry.js';
import type { SignalOptions } from '../async/signal-options.js';
import { originUrl, repositoryAt } from '../config/hosts.js';
import { logTo } from '../config/logger.js';
import type { ServiceConfig } from '../config/options.js';
import { SnapshotError, toSnapshotError } from '../errors.js';
import { SnapshotEmitter, type SnapshotEventSource } from '../events/emitter.js';
import { failureFields, logFailures } from '../events/log-failures.js';
import type { WarmSummary } from '../events/warm-events.js';
import { tellProgress } from '../mirror/clone-progress.js';
import type { RepositoryId } from '../repository.js';
import type { StoredFile } from '../stores/store.js';
import { checkProcess } from '../workers/check-process.js';
import { checkWarm } from './check-warm.js';
import { diskUsageOf } from './disk-usage.js';
import { createParts, type ServiceParts } from './parts.js';
import { releaseParts } from './release-parts.js';
import type { HealthOptions, ServiceHealth } from './service-health.js';
import type { DiskUsage, RepositoryStatus, ServiceStats } from './service-status.js';
import type { CloseOptions, SnapshotService, WarmOptions } from './snapshot-service.js';
import { startParts } from './start-parts.js';
import { statsOf } from './stats.js';
import { listRepositories, statusOf } from './status.js';

/**
 * The service that `createSnapshotService` makes: checks the arguments of calls, and passes them to
 * the parts.
 *
 * Each artifact has at most one build at a time, by a lock also among all processes that share the
 * store. Repositories wait for each other only for a free worker; those of different hosts only for
 * workers that are not busy with an upstream.
 */
export class ArtifactService implements SnapshotService {
  readonly events: SnapshotEventSource;
  readonly #config: ServiceConfig;
  readonly #parts: ServiceParts;
  /** Aborts when `close` begins: after that, no new work begins. */
  readonly #stopping = new AbortController();
  /** Aborts when all running work must end. */
  readonly #closing = new AbortController();
  readonly #started = startup(() =>
    startParts(this.#parts, this.#config.dataDir, this.#closing.signal),
  );
  #released: Promise<void> | undefined;

  /** @throws SnapshotError `INVALID_OPTIONS` when this process can't do the work. */
  constructor(config: ServiceConfig) {
    checkProcess(config.dataDir);
    checkWarm(config);
    const events = new SnapshotEmitter();
    this.events = events.source;
    const stopping = this.#stopping.signal;
    const closing = this.#closing.signal;
    // All running work listens to these signals. Without this, Node would warn of a leak.
    setMaxListeners(0, stopping, closing);
    const log = logTo(config.logger);
    logFailures(events.source, log);
    this.#config = config;
    this.#parts = createParts({ config, events, started: this.#started, stopping, closing });
    this.#parts.health.watchStart();
    // A failed start is repeated for the next caller that needs it.
    this.#started().catch((error: unknown) => {
      if (closing.aborted) return;
      log.error('start failed', failureFields(toSnapshotError(error)));
    });
  }

  get hasDownloadUrls(): boolean {
    return this.#parts.stored.haveUrls;
  }

  get hasFiles(): boolean {
    return this.#parts.stored.haveFiles;
  }

  async ready({ signal }: SignalOptions = {}): Promise<void> {
    await abortable(signal, () => this.#started());
  }

  resolve(repository: RepositoryId): RepositoryId {
    return allowedRepository(this.#config, repository);
  }

  originUrl(repository: RepositoryId): string {
    return originUrl(this.#config, this.resolve(repository));
  }

  headCommit(repository: RepositoryId): string | undefined {
    return this.#parts.mirrors.find(this.resolve(repository))?.revision?.head.oid;
  }

  async get(id: ArtifactId, options: GetOptions = {}): Promise<OpenedArtifact | BuiltArtifact> {
    const canonical = this.#canonical(id);
    const get = () => this.#parts.requests.get(canonical, options);
    const getting = abortable(options.signal, get, ({ body }) => body.destroy());
    return await this.#tellingProgress(canonical.repository, getting);
  }

  async statStored(
    id: ArtifactId,
    options: StatStoredOptions = {},
  ): Promise<StoredArtifact | undefined> {
    const canonical = this.#canonical(id);
    const stat = () => this.#parts.requests.statStored(canonical, options);
    return await abortable(options.signal, stat);
  }

  async openStored(
    id: ArtifactId,
    options: OpenStoredOptions = {},
  ): Promise<OpenedArtifact | undefined> {
    const canonical = this.#canonical(id);
    const open = () => this.#parts.requests.openStored(canonical, options);
    return await abortable(options.signal, open, (late) => late?.body.destroy());
  }

  async getDownloadUrl(
    id: ArtifactId,
    stored: StoredArtifact,
    options: DownloadHeaders,
  ): Promise<string | undefined> {
    return await this.#handOut(id, stored, options.signal, (canonical, revision) =>
      this.#parts.stored.urlOf(canonical, { ...options, revision }),
    );
  }

  async getFile(
    id: ArtifactId,
    stored: StoredArtifact,
    { signal }: SignalOptions = {},
  ): Promise<StoredFile | undefined> {
    return await this.#handOut(id, stored, signal, (canonical, revision) =>
      this.#parts.stored.fileOf(canonical, { revision, signal }),
    );
  }

  async delete(id: ArtifactId, { signal }: SignalOptions = {}): Promise<void> {
    const canonical = this.#canonical(id);
    await abortable(signal, async () => {
      await this.#parts.builds.untilStored(canonical);
      signal?.throwIfAborted();
      await this.#parts.stored.delete(artifactKey(canonical), 'deleted');
    });
  }

  async isHead(id: BundleId, options: SignalOptions = {}): Promise<boolean> {
    const canonical = this.#canonical(id);
    if (!isIncremental(canonical)) return false;
    const asking = abortable(options.signal, () => this.#parts.queries.isHead(canonical, options));
    return await this.#tellingProgress(canonical.repository, asking);
  }

  async ensureRefs(
    repository: RepositoryId,
    wanted: WantedRefs,
    options: SignalOptions = {},
  ): Promise<EnsuredRefs> {
    const canonical = this.resolve(repository);
    const ensure = () => this.#parts.queries.ensureRefs(canonical, wanted, options);
    return await this.#tellingProgress(canonical, abortable(options.signal, ensure));
  }

  async refresh(repository: RepositoryId, { signal }: SignalOptions = {}): Promise<StoredArtifact> {
    const canonical = this.resolve(repository);
    this.#stopping.signal.throwIfAborted();
    return await abortable(signal, () => this.#parts.refresher.refresh(canonical));
  }

  async warm(
    wanted: readonly (ArtifactId | RepositoryId)[],
    options: WarmOptions = {},
  ): Promise<WarmSummary> {
    return await abortable(options.signal, () => this.#parts.warmUp.run(wanted, options));
  }

  async notifyPush(url: string, { signal }: SignalOptions = {}): Promise<boolean> {
    const repository = repositoryAt(this.#config, url);
    if (repository === undefined || this.#stopping.signal.aborted) return false;
    const isKnown = await abortable(signal, () => this.#knows(repository));
    if (isKnown) this.#parts.refresher.checkWhenAllowed(repository);
    return isKnown;
  }

  async purge(repository: RepositoryId, { signal }: SignalOptions = {}): Promise<void> {
    const canonical = this.resolve(repository);
    await abortable(signal, () => unlessAborted(this.#started(), this.#closing.signal));
    await abortable(signal, () => this.#parts.removal.purge(canonical));
  }

  async status(
    repository: RepositoryId,
    { signal }: SignalOptions = {},
  ): Promise<RepositoryStatus> {
    const canonical = this.resolve(repository);
    return await abortable(signal, async () => {
      await this.#parts.mirrors.open(canonical, this.#closing.signal);
      return await statusOf(canonical, this.#parts, signal);
    });
  }

  async listRepositories({ signal }: SignalOptions = {}): Promise<RepositoryStatus[]> {
    return await abortable(signal, async () => {
      await this.#started();
      return await listRepositories(this.#parts, signal);
    });
  }

  async health(options?: HealthOptions): Promise<ServiceHealth> {
    return await this.#parts.health.report(options);
  }

  stats(): ServiceStats {
    return statsOf(this.#parts);
  }

  async diskUsage({ signal }: SignalOptions = {}): Promise<DiskUsage> {
    return await abortable(signal, () => diskUsageOf(this.#parts));
  }

  async close({ drain = false, signal }: CloseOptions = {}): Promise<void> {
    // This waits for threads and timers that don't keep the process alive.
    const alive = setInterval(() => {}, MAX_DELAY);
    try {
      this.#stopping.abort(new SnapshotError('CLOSED', 'the service is closed or closing'));
      const drained = drain ? this.#parts.builds.settled() : Promise.resolve();
      // Rejects only when the signal aborts, which ends only this wait.
      await unlessAborted(drained, signal).catch(() => {});
      this.#closing.abort(new SnapshotError('CLOSED', 'the service was closed'));
      this.#released ??= releaseParts(this.#parts, this.#config, this.#started);
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

  /** Lets somebody else send a stored version: that is a hit as well. */
  async #handOut<T>(
    id: ArtifactId,
    stored: StoredArtifact,
    signal: AbortSignal | undefined,
    find: (canonical: ArtifactId, revision: string) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    const canonical = this.#canonical(id);
    const found = await abortable(signal, () => find(canonical, stored.revision));
    if (found !== undefined) this.#parts.requests.noteHit(canonical, stored);
    return found;
  }

  /** If the work fails while the repository is cloned, the error says how far the clone is. */
  async #tellingProgress<T>(repository: RepositoryId, work: Promise<T>): Promise<T> {
    return await work.catch((error: unknown) => {
      const progress = this.#parts.mirrors.find(repository)?.cloneProgress;
      throw SnapshotError.is(error) ? tellProgress(error, progress) : error;
    });
  }

  async #knows(repository: RepositoryId): Promise<boolean> {
    const isListed = () =>
      this.#parts.known.isKnown(repository) || this.#parts.mirrors.find(repository) !== undefined;
    if (isListed()) return true;
    await this.#started();
    const mirror = await this.#parts.mirrors.open(repository, this.#closing.signal);
    if (mirror !== undefined || isListed()) return true;
    const isStored = (await this.#parts.stored.stat(defaultSnapshot(repository))) !== undefined;
    // From now on its checks are throttled, and their failures and refusals remembered.
    if (isStored) this.#parts.known.know(repository);
    return isStored;
  }
}

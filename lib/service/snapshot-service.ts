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
import type { ArtifactId, BundleId } from '../artifact/id.js';
import type { SignalOptions } from '../async/signal-options.js';
import type { SnapshotEventSource } from '../events/emitter.js';
import type { WarmProgress, WarmSummary } from '../events/warm-events.js';
import type { RepositoryId } from '../repository.js';
import type { StoredFile } from '../stores/store.js';
import type { HealthOptions, ServiceHealth } from './service-health.js';
import type { DiskUsage, RepositoryStatus, ServiceStats } from './service-status.js';

/** How a service or a router closes. */
export interface CloseOptions {
  /**
   * Whether running builds finish first and are stored. Default: false; running builds are ended,
   * and requests that wait for them fail.
   */
  readonly drain?: boolean | undefined;
  /** When it aborts, draining ends, and the builds that still run are ended. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of `warm`. */
export interface WarmOptions extends SignalOptions {
  /** Called after each artifact. Its errors become warnings of the process. */
  readonly onProgress?: ((progress: WarmProgress) => void) | undefined;
}

/**
 * Serves artifacts of allowed repositories: the whole library without HTTP. A router works with any
 * object that fulfils this interface.
 *
 * All methods take repositories as `parseRepository` returns them, and return canonical ones. All
 * methods that take a repository throw `FORBIDDEN` or `INVALID_REPOSITORY`, as `resolve` does. When
 * the signal of a call aborts, the call rejects with the signal's reason, and a `body` that it
 * returned fails with this reason; shared work goes on. `close` and `await using` end the service.
 */
export interface SnapshotService extends AsyncDisposable {
  readonly events: SnapshotEventSource;
  /** Whether `getDownloadUrl` may return a URL: whether the store has `getDownloadUrl`. */
  readonly hasDownloadUrls: boolean;
  /** Whether `getFile` may return a path: whether the store has `getFile`. */
  readonly hasFiles: boolean;

  /**
   * Resolves when `dataDir` can be written, and its directories exist. Hits are served before; other
   * requests wait by themselves. Mirrors are found in the background: a request opens its mirror
   * itself. If this fails, the next call makes another attempt.
   *
   * @throws SnapshotError the failure of the start.
   */
  ready(options?: SignalOptions): Promise<void>;

  /**
   * The canonical name of an allowed repository: results, events and `authorize` use it.
   *
   * @throws SnapshotError `FORBIDDEN`, `INVALID_REPOSITORY`
   */
  resolve(repository: RepositoryId): RepositoryId;
  /** The URL from which clients can clone the repository themselves, without `.git` at its end. */
  originUrl(repository: RepositoryId): string;
  /** HEAD's commit in the mirror; `undefined` if there is no mirror. */
  headCommit(repository: RepositoryId): string | undefined;

  /**
   * The stored artifact if it may be served; else builds it. Clones the mirror if needed.
   *
   * @throws SnapshotError any of `UPSTREAM_*`, `REPOSITORY_*`, `REF_NOT_FOUND`, `BASE_NOT_FOUND`,
   * `LIMIT_EXCEEDED`, `STORE_FAILED`, `STORAGE_FULL`, `OVERLOADED`, `TOO_MANY_VARIANTS`,
   * `LOCK_UNAVAILABLE`, `MIRROR_CORRUPTED`, `INVALID_REQUEST`, `CLOSED`, `INTERNAL`; the signal's
   * reason.
   */
  get(id: ArtifactId, options?: GetOptions): Promise<OpenedArtifact | BuiltArtifact>;
  /**
   * Describes the stored artifact, if there is one. Never builds; checks the upstream only with
   * `revalidate`.
   *
   * @throws SnapshotError `INVALID_REQUEST`, `STORE_FAILED`; with `revalidate` also `UPSTREAM_*`, if
   * the artifact is too old to be served without a successful check.
   */
  statStored(id: ArtifactId, options?: StatStoredOptions): Promise<StoredArtifact | undefined>;
  /**
   * Opens the stored artifact, or a range of it; with `revision` also a version that was replaced
   * recently. Never checks, clones or builds.
   */
  openStored(id: ArtifactId, options?: OpenStoredOptions): Promise<OpenedArtifact | undefined>;
  /**
   * A URL from which anybody can download this version from the store for a while. `undefined` if
   * there is none, or if another version is stored by now.
   */
  getDownloadUrl(
    id: ArtifactId,
    stored: StoredArtifact,
    options: DownloadHeaders,
  ): Promise<string | undefined>;
  /**
   * A file with the bytes of this version, for a web server on this machine. `undefined` if there is
   * none: then open the version. The file may be removed at any time, but never has other bytes.
   */
  getFile(
    id: ArtifactId,
    stored: StoredArtifact,
    options?: SignalOptions,
  ): Promise<StoredFile | undefined>;
  /** Deletes the stored artifact, if there is one. The mirror stays. */
  delete(id: ArtifactId, options?: SignalOptions): Promise<void>;

  /**
   * Whether the bundle has a base, and this is the upstream's HEAD. Checks the upstream if the base is the
   * mirror's HEAD, or if the mirror lacks it.
   *
   * @throws SnapshotError `BASE_NOT_FOUND` when the upstream lacks the base, or the check failed.
   */
  isHead(id: BundleId, options?: SignalOptions): Promise<boolean>;
  /**
   * Makes the mirror hold refs and commits. Fetches once if one of them is missing, and once more
   * for each commit that no branch or tag reaches.
   *
   * @throws SnapshotError `UPSTREAM_*` if a fetch fails, `OVERLOADED` for too many calls at once.
   */
  ensureRefs(
    repository: RepositoryId,
    wanted: WantedRefs,
    options?: SignalOptions,
  ): Promise<EnsuredRefs>;

  /**
   * Checks the upstream now, and brings the mirror and the default snapshot up to date; creates
   * them if they are missing. Resolves when the snapshot is stored.
   *
   * @throws SnapshotError as `get`.
   */
  refresh(repository: RepositoryId, options?: SignalOptions): Promise<StoredArtifact>;
  /**
   * Checks the upstreams of stored artifacts, and builds artifacts that are stale or missing, so that
   * clients find them in the store. This is background work: it takes no slot that a client needs.
   * A repository stands for its default snapshot. The failure of one artifact leaves the others
   * alone, also if its repository is not allowed.
   *
   * @param wanted up to 10,000 artifacts; the first ones come first.
   * @throws SnapshotError `INVALID_REQUEST`, `CLOSED`; the signal's reason.
   */
  warm(wanted: readonly (ArtifactId | RepositoryId)[], options?: WarmOptions): Promise<WarmSummary>;
  /**
   * Reports a push to the repository with this clone URL. If the service knows the repository, it
   * refreshes it soon: it checks an upstream at most once per `checkInterval`.
   *
   * @returns whether the repository is known: a client requested it, or it is mirrored or stored.
   * @throws SnapshotError `STORE_FAILED`
   */
  notifyPush(url: string, options?: SignalOptions): Promise<boolean>;
  /**
   * Removes the repository's mirror and its stored artifacts. Waits for readers of the mirror.
   * Running downloads continue.
   *
   * @throws SnapshotError `CLOSED` when the service is closed meanwhile.
   */
  purge(repository: RepositoryId, options?: SignalOptions): Promise<void>;
  /** The status of a repository, known or not. Never checks, clones or builds. */
  status(repository: RepositoryId, options?: SignalOptions): Promise<RepositoryStatus>;
  /**
   * The status of all repositories that have a mirror, or that clients have requested. After a start,
   * it waits until all mirrors were found.
   */
  listRepositories(options?: SignalOptions): Promise<RepositoryStatus[]>;

  /**
   * Tells whether the service can serve clients, and what is wrong. Never asks an upstream, and waits
   * for `timeout` at most, whatever hangs.
   */
  health(options?: HealthOptions): Promise<ServiceHealth>;
  /** The state of the service at this moment, for gauges. */
  stats(): ServiceStats;
  /**
   * The bytes on the disk, and their budgets. Cost: one `stat` for each object of the default store.
   *
   * @throws SnapshotError `STORE_FAILED`
   */
  diskUsage(options?: SignalOptions): Promise<DiskUsage>;

  /** Ends all work, and releases threads, files and sockets. Idempotent. */
  close(options?: CloseOptions): Promise<void>;
}

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
import type { RepositoryId } from '../repository.js';
import type { RepositoryStatus, ServiceStats } from './service-status.js';

export interface CloseOptions {
  /**
   * Whether running builds finish first and are stored. Default: false, which ends them, and the
   * requests that wait for them.
   */
  readonly drain?: boolean | undefined;
  /** When it aborts, draining ends, and the builds that still run are ended. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Serves artifacts of allowed repositories: the whole library without HTTP. A router works with any
 * object that fulfils this interface.
 *
 * All calls take ids and repositories in any form that `parseRepository` gives, and answer with
 * canonical ones. All calls about a repository throw `FORBIDDEN` or `INVALID_REPOSITORY` as
 * `resolve`. When the signal of a call aborts, the call rejects with the signal's reason, and a
 * `body` that it gave fails with this reason; shared work goes on. `close` and `await using` end
 * the service.
 */
export interface SnapshotService extends AsyncDisposable {
  readonly events: SnapshotEventSource;
  /** Whether `getDownloadUrl` may return a URL: whether the store has `getDownloadUrl`. */
  readonly hasDownloadUrls: boolean;

  /**
   * Resolves when the directories exist, a crash's leftovers are removed, and the mirrors were
   * found. Hits are served before; other requests wait by themselves. A failed start is repeated
   * for the next caller.
   *
   * @throws SnapshotError the failure of the start.
   */
  ready(options?: SignalOptions): Promise<void>;

  /**
   * The canonical name of an allowed repository: keys, events and `authorize` have this name.
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
   * `LOCK_UNAVAILABLE`, `INVALID_REQUEST`, `CLOSED`, `INTERNAL`; the signal's reason.
   */
  get(id: ArtifactId, options?: GetOptions): Promise<OpenedArtifact | BuiltArtifact>;
  /** Describes the stored artifact. Never builds; checks the upstream only with `revalidate`. */
  statStored(id: ArtifactId, options?: StatStoredOptions): Promise<StoredArtifact | undefined>;
  /**
   * Opens the stored artifact, or a range of it; with `revision` also a version that was replaced
   * recently. Never checks, clones or builds.
   */
  openStored(id: ArtifactId, options?: OpenStoredOptions): Promise<OpenedArtifact | undefined>;
  /**
   * A URL by which clients can download the artifact from the store for a while. `undefined`: there
   * is none, or another version is stored by now.
   */
  getDownloadUrl(
    id: ArtifactId,
    stored: StoredArtifact,
    options: DownloadHeaders,
  ): Promise<string | undefined>;
  /** Deletes the stored artifact, if there is one. The mirror stays. */
  delete(id: ArtifactId, options?: SignalOptions): Promise<void>;

  /**
   * Whether the upstream's HEAD is the bundle's base. Checks the upstream if the mirror's HEAD is
   * the base, or if the mirror lacks the base.
   *
   * @throws SnapshotError `BASE_NOT_FOUND` when the upstream lacks the base, or the check failed.
   */
  isHead(id: BundleId, options?: SignalOptions): Promise<boolean>;
  /**
   * Brings refs and commits into the mirror, by one fetch if something is missing, and one more for
   * each unreachable commit.
   *
   * @throws SnapshotError `UPSTREAM_*` when a fetch fails, `OVERLOADED` at too many calls at once.
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
   * Reports a push to the repository with this URL. A known repository is refreshed soon. The
   * upstream is checked at most once per `checkInterval`.
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
  /** The status of all repositories that have a mirror, or that clients have requested. */
  listRepositories(options?: SignalOptions): Promise<RepositoryStatus[]>;

  /** How much the service has, and does, at this moment. */
  stats(): ServiceStats;

  /** Ends all work, begins none, and releases all that the service has made. Idempotent. */
  close(options?: CloseOptions): Promise<void>;
}

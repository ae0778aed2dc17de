import type { Readable } from 'node:stream';
import type { RepositoryId } from '../repository.js';
import type { ByteRange } from '../stores/store.js';
import type { ArtifactId, BundleId } from './id.js';

/** Describes an artifact. */
export interface ArtifactInfo {
  readonly repository: RepositoryId;
  /** Strong entity tag, with its quotes. Made from the artifact's inputs: refs, packs, format. */
  readonly etag: string;
  /** The commit of the checkout or bundle, by its id; `undefined` if the repository has none. */
  readonly commit: string | undefined;
}

/** An artifact in the store. */
export interface StoredArtifact extends ArtifactInfo {
  /** Its size in bytes. */
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly storedAt: number;
  /** The store's name of this version, for `open`. */
  readonly revision: string;
}

/** A stored artifact, or a range of it. Read `body` to its end or destroy it. */
export interface OpenedArtifact extends StoredArtifact {
  readonly source: 'store';
  readonly body: Readable;
}

/**
 * An artifact that is being built. `body` yields all bytes as they are written; if the build fails,
 * it fails with a `SnapshotError`. Read it to its end or destroy it.
 */
export interface GeneratedArtifact extends ArtifactInfo {
  readonly source: 'generation';
  readonly body: Readable;
}

export interface GetOptions {
  /** When it aborts, the wait ends and `body` is destroyed. A build that has begun goes on. */
  signal?: AbortSignal | undefined;
}

export interface OpenArtifactOptions extends GetOptions {
  range?: ByteRange | undefined;
  /** Opens only this version, as long as the store has it. */
  revision?: string | undefined;
}

/** The headers of a download from the store. */
export interface Representation extends GetOptions {
  readonly contentType: string;
  readonly contentDisposition: string;
}

/** Refs and objects that a client wants the mirror to have. */
export interface WantedRefs {
  /** Full name of a ref, or `HEAD` → its wanted id, which may be abbreviated; empty: any id. */
  readonly refs: ReadonlyMap<string, string>;
  /** Ids of commits or other objects: 4 to 40 hex digits each. */
  readonly commits: readonly string[];
}

export interface EnsuredRefs {
  /** Each wanted ref → its present id; empty if there is no such ref. */
  readonly refs: ReadonlyMap<string, string>;
  readonly missingCommits: readonly string[];
  /** Whether the upstream was checked. */
  readonly fetched: boolean;
}

/** Serves artifacts: for the HTTP layer, and for host apps without HTTP. */
export interface ArtifactSource {
  /** Describes the stored artifact. Never checks, clones or builds. */
  stat(id: ArtifactId, options?: GetOptions): Promise<StoredArtifact | undefined>;
  /**
   * Describes the stored artifact, if it may be served by the freshness policy. Checks the upstream
   * first if the policy demands it. `undefined`: `get` has to build.
   */
  current(id: ArtifactId, options?: GetOptions): Promise<StoredArtifact | undefined>;
  /** Describes the version, stored or recently replaced, with one of these tags. Never checks. */
  pinned(
    id: ArtifactId,
    etags: readonly string[],
    options?: GetOptions,
  ): Promise<StoredArtifact | undefined>;
  /**
   * Opens the stored artifact, or a range of it; with `revision` also a version that was replaced
   * recently. Never checks, clones or builds.
   */
  open(id: ArtifactId, options?: OpenArtifactOptions): Promise<OpenedArtifact | undefined>;
  /**
   * A URL by which clients can download the artifact from the store for a while. `undefined`: there
   * is none, or another version is stored by now. The method is missing if the store has no URLs.
   */
  urlOf?(
    id: ArtifactId,
    artifact: StoredArtifact,
    about: Representation,
  ): Promise<string | undefined>;
  /** The stored artifact if it may be served; else builds it. Clones the mirror if needed. */
  get(id: ArtifactId, options?: GetOptions): Promise<OpenedArtifact | GeneratedArtifact>;
  /**
   * Whether the upstream's HEAD is the bundle's base. Checks the upstream if the mirror's HEAD is
   * the base, or if the mirror lacks the base.
   *
   * @throws SnapshotError `BASE_NOT_FOUND` when the upstream lacks the base, or the check failed.
   */
  isUpToDate(id: BundleId, options?: GetOptions): Promise<boolean>;
  /**
   * Brings refs and commits into the mirror, by one fetch if something is missing, and one more for
   * each unreachable commit.
   *
   * @throws SnapshotError `UPSTREAM_*` when a fetch fails, `OVERLOADED` at too many calls at once.
   */
  ensureRefs(
    repository: RepositoryId,
    wanted: WantedRefs,
    options?: GetOptions,
  ): Promise<EnsuredRefs>;
  /** HEAD's commit in the mirror; `undefined` if there is no mirror. */
  headOf(repository: RepositoryId): string | undefined;
}

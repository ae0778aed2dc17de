import { OID_PATTERN } from '../git/object.js';
import type { RepositoryId } from '../repository.js';
import type { ByteRange, ObjectBody } from '../stores/store.js';

/** A snapshot, by what it is of. Without `ref` and `depth` it is the repository's default snapshot. */
export interface SnapshotId extends RepositoryId {
  /**
   * What is checked out: a branch or tag by its short name, as `git clone --branch` takes it, or a
   * commit by its 40 hex digits. Default: HEAD.
   */
  readonly ref?: string | undefined;
  /** Commits of history, from 1 on, as `git clone --depth` takes it. Default: all of it. */
  readonly depth?: number | undefined;
}

/** A bundle that brings a checkout of `base` (a commit, 40 hex digits) to the mirror's HEAD. */
export interface BundleId extends RepositoryId {
  readonly base: string;
}

/** What is served of a repository. */
export type ArtifactId = SnapshotId | BundleId;

export function isBundle(id: ArtifactId): id is BundleId {
  return 'base' in id;
}

/** Whether it is a snapshot of a commit that a client names by its id. */
export function isByCommit(id: ArtifactId): id is SnapshotId & { readonly ref: string } {
  return !isBundle(id) && id.ref !== undefined && OID_PATTERN.test(id.ref);
}

/**
 * Whether it never changes, whatever is pushed: a commit and the history before it, without any branch or
 * tag.
 */
export function isFixed(id: ArtifactId): boolean {
  return isByCommit(id) && id.depth !== undefined;
}

/** What identifies the bytes of an artifact. */
export interface ArtifactInfo {
  readonly repository: RepositoryId;
  /** Strong entity tag, with its quotes. It follows from the inputs of the artifact (refs, packs, format). */
  readonly etag: string;
  /**
   * The commit that is checked out, or that a bundle leads to: 40 hex digits; `undefined` in a
   * repository without commits.
   */
  readonly commit: string | undefined;
}

/** An artifact that lies in the store. */
export interface StoredArtifact extends ArtifactInfo {
  /** Bytes of the whole. */
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly storedAt: number;
  /** The store's name for this revision, for `open`. */
  readonly revision: string;
}

/** A stored artifact, or a part of it, ready to be read. Read `body` to its end or destroy it. */
export interface OpenedArtifact extends StoredArtifact {
  readonly source: 'store';
  readonly body: ObjectBody;
}

/**
 * An artifact that is being generated: `body` yields the bytes from the first one on, as they come to
 * be, and fails with a `SnapshotError` when the generation does. Read it to its end or destroy it.
 */
export interface GeneratedArtifact extends ArtifactInfo {
  readonly source: 'generation';
  readonly body: ObjectBody;
}

export interface GetOptions {
  /** Stops the waiting, and destroys `body`. A generation that has begun goes on without the caller. */
  signal?: AbortSignal | undefined;
}

export interface OpenArtifactOptions extends GetOptions {
  range?: ByteRange | undefined;
  /** Only this one, as long as the store has it. */
  revision?: string | undefined;
}

/** What a download says of itself. */
export interface Representation extends GetOptions {
  readonly contentType: string;
  readonly contentDisposition: string;
}

/** What a client wants the mirror to hold. */
export interface WantedRefs {
  /** Full name of a ref, or `HEAD` → the id that it should have, abbreviated or not; an empty one stands for any. */
  readonly refs: ReadonlyMap<string, string>;
  /** Ids of commits, or of any other objects: 4 to 40 hex digits each. */
  readonly commits: readonly string[];
}

export interface EnsuredRefs {
  /** Each ref that was asked for → what it is at now; empty when there is no such ref. */
  readonly refs: ReadonlyMap<string, string>;
  readonly missingCommits: readonly string[];
  /** Whether the upstream was asked. */
  readonly fetched: boolean;
}

/** Artifacts of repositories: what the HTTP layer, and a host app without HTTP, asks. */
export interface ArtifactSource {
  /** Metadata of what is stored; never asks the upstream, clones or generates. */
  stat(id: ArtifactId, options?: GetOptions): Promise<StoredArtifact | undefined>;
  /**
   * Metadata of what is stored, if the freshness policy allows to serve it: asks the upstream first
   * when it must. `undefined`: `get` has to generate.
   */
  current(id: ArtifactId, options?: GetOptions): Promise<StoredArtifact | undefined>;
  /**
   * Metadata of the revision that has one of these entity tags: the one that is stored, or one that it
   * replaced lately. Never asks the upstream.
   */
  pinned(
    id: ArtifactId,
    etags: readonly string[],
    options?: GetOptions,
  ): Promise<StoredArtifact | undefined>;
  /**
   * What is stored, or a range of it; with `revision` also what was replaced lately. Never asks the
   * upstream, clones or generates.
   */
  open(id: ArtifactId, options?: OpenArtifactOptions): Promise<OpenedArtifact | undefined>;
  /**
   * Only there when clients may download what is stored from the store itself: by this URL, for a while.
   * `undefined`: they can't, or another revision is stored by now.
   */
  urlOf?(
    id: ArtifactId,
    artifact: StoredArtifact,
    about: Representation,
  ): Promise<string | undefined>;
  /** What is stored and may be served, else what is generated now: the mirror is made ready first. */
  get(id: ArtifactId, options?: GetOptions): Promise<OpenedArtifact | GeneratedArtifact>;
  /**
   * Whether the upstream's HEAD is the bundle's base, by a check that this call made. A mirror that
   * does not know the base is brought up to date.
   *
   * @throws SnapshotError `BASE_NOT_FOUND` when the base is not known even then, or when it seems to
   * be HEAD and the upstream could not be asked.
   */
  isUpToDate(id: BundleId, options?: GetOptions): Promise<boolean>;
  /**
   * Makes the mirror hold refs and commits: by one fetch, if something is not there, and one more for each
   * commit that no branch or tag leads to.
   *
   * @throws SnapshotError `UPSTREAM_*` when that fails, `OVERLOADED` when too much is being asked for.
   */
  ensureRefs(
    repository: RepositoryId,
    wanted: WantedRefs,
    options?: GetOptions,
  ): Promise<EnsuredRefs>;
  /** HEAD's commit of the mirror, when there is one and it is ready. */
  headOf(repository: RepositoryId): string | undefined;
}

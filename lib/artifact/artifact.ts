import type { Readable } from 'node:stream';
import type { SignalOptions } from '../async/signal-options.js';
import type { RepositoryId } from '../repository.js';
import type { ByteRange, Metadata } from '../stores/store.js';

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
  /** The store's name of this version, for `openStored`. */
  readonly revision: string;
  /** What the service keeps beside the bytes in the store. Opaque. */
  readonly metadata: Metadata;
}

/** A stored artifact, or a range of it. Read `body` to its end or destroy it. */
export interface OpenedArtifact extends StoredArtifact {
  readonly source: 'store';
  readonly body: Readable;
}

/**
 * An artifact that is being built: its size is not known yet. `body` yields all bytes as they are
 * written; if the build fails, it fails with a `SnapshotError`. Read it to its end or destroy it.
 */
export interface BuiltArtifact extends ArtifactInfo {
  readonly source: 'build';
  readonly body: Readable;
}

export interface GetOptions extends SignalOptions {
  /**
   * A time by `performance.now()`: a check of the upstream since then counts for this call. Give the
   * time of the client's request if you make several calls for it. Default: now.
   */
  readonly checkedSince?: number | undefined;
}

export interface StatStoredOptions extends GetOptions {
  /**
   * Returns the artifact only if `get` would serve it from the store. Checks the upstream first
   * where `get` would. Default: false.
   */
  readonly revalidate?: boolean | undefined;
  /**
   * Returns only a version with one of these entity tags: the stored version, or one that was
   * replaced recently. Then `revalidate` has no effect, so that a client that has a part of a
   * version can get the rest. Default: the stored version, with any tag.
   */
  readonly etags?: readonly string[] | undefined;
}

export interface OpenStoredOptions extends SignalOptions {
  readonly range?: ByteRange | undefined;
  /** Opens only this version, as long as the store has it. */
  readonly revision?: string | undefined;
}

/** The headers of a download from the store. */
export interface DownloadHeaders extends SignalOptions {
  readonly contentType: string;
  readonly contentDisposition: string;
}

/** Refs and objects that the mirror should have. */
export interface WantedRefs {
  /** Full name of a ref, or `HEAD` → its wanted id, which may be abbreviated; empty: any id. */
  readonly refs: ReadonlyMap<string, string>;
  /** Ids of commits or other objects; may be abbreviated to four digits or more. */
  readonly commits: readonly string[];
}

export interface EnsuredRefs {
  /** Each wanted ref → its present id; empty if there is no such ref. */
  readonly refs: ReadonlyMap<string, string>;
  readonly missingCommits: readonly string[];
  /** Whether the upstream was checked. */
  readonly fetched: boolean;
}

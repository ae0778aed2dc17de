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

/**
 * How a call got its artifact. `hit`, `stale`: from the store; `stale` if a build would give another
 * artifact, as far as is known. `miss`, `joined`: the call waited for a build, which it began, or which
 * was already running.
 */
export type ArtifactOutcome = 'hit' | 'stale' | 'miss' | 'joined';

/** A stored artifact, or a range of it. Read `body` to its end or destroy it. */
export interface OpenedArtifact extends StoredArtifact {
  readonly source: 'store';
  /** `miss` and `joined`: the build has ended, so the artifact was read from the store. */
  readonly outcome: ArtifactOutcome;
  readonly body: Readable;
}

/**
 * An artifact that is being built: its size is not known yet. `body` yields all bytes as they are
 * written; if the build fails, it fails with a `SnapshotError`. Read it to its end or destroy it.
 */
export interface BuiltArtifact extends ArtifactInfo {
  readonly source: 'build';
  readonly outcome: 'miss' | 'joined';
  readonly body: Readable;
}

/** Options of `get`. */
export interface GetOptions extends SignalOptions {
  /**
   * A time by `performance.now()`: a check of the upstream since then counts for this call. Give the
   * time of the client's request if you make several calls for it. Default: now.
   */
  readonly checkedSince?: number | undefined;
}

/** Options of `statStored`. */
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

/** Options of `openStored`. */
export interface OpenStoredOptions extends SignalOptions {
  /** Opens only these bytes. Default: all. */
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

/** The result of `ensureRefs`. */
export interface EnsuredRefs {
  /** Each wanted ref → its present id; empty if there is no such ref. */
  readonly refs: ReadonlyMap<string, string>;
  readonly missingCommits: readonly string[];
  /** Whether the upstream was checked. */
  readonly fetched: boolean;
}

import type { RepositoryId } from '../repository/identity.js';
import type { ByteRange, ObjectBody } from '../stores/store.js';

/** What identifies the bytes of a snapshot. */
export interface SnapshotInfo {
  readonly repository: RepositoryId;
  /** Strong entity tag, with its quotes. It follows from the inputs of the snapshot (refs, packs, format). */
  readonly etag: string;
  /** HEAD's commit, 40 hex digits; `undefined` in a repository without commits. */
  readonly commit: string | undefined;
}

/** A snapshot that lies in the store. */
export interface StoredSnapshot extends SnapshotInfo {
  /** Bytes of the whole `snapshot.tar.zst`. */
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly storedAt: number;
  /** The store's name for this revision, for `open`. */
  readonly revision: string;
}

/** A stored snapshot, or a part of it, ready to be read. Read `body` to its end or destroy it. */
export interface OpenedSnapshot extends StoredSnapshot {
  readonly source: 'store';
  readonly body: ObjectBody;
}

/**
 * A snapshot that is being generated: `body` yields the bytes from the first one on, as they come to
 * be, and fails with a `SnapshotError` when the generation does. Read it to its end or destroy it.
 */
export interface GeneratedSnapshot extends SnapshotInfo {
  readonly source: 'generation';
  readonly body: ObjectBody;
}

export interface GetOptions {
  /** Stops the waiting, and destroys `body`. A generation that has begun goes on without the caller. */
  signal?: AbortSignal | undefined;
}

export interface OpenSnapshotOptions extends GetOptions {
  range?: ByteRange | undefined;
  /** Answer `undefined` when another revision than this is stored by now. */
  revision?: string | undefined;
}

/** Snapshots by repository: what the HTTP layer, and a host app without HTTP, asks. */
export interface SnapshotSource {
  /** Metadata of the stored snapshot; never clones or generates. */
  stat(repository: RepositoryId, options?: GetOptions): Promise<StoredSnapshot | undefined>;
  /** The stored snapshot or a range of it; never clones or generates. */
  open(
    repository: RepositoryId,
    options?: OpenSnapshotOptions,
  ): Promise<OpenedSnapshot | undefined>;
  /** The stored snapshot, else one generated now: the mirror is made ready first. */
  get(repository: RepositoryId, options?: GetOptions): Promise<OpenedSnapshot | GeneratedSnapshot>;
}

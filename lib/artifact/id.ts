import { OID_PATTERN } from '../git/object.js';
import type { RepositoryId } from '../repository.js';

/** Identifies a snapshot. Without `ref` and `depth` it is the repository's default snapshot. */
export interface SnapshotId {
  readonly kind: 'snapshot';
  readonly repository: RepositoryId;
  /** A branch or tag by its short name, or a commit by its full object id. Default: HEAD. */
  readonly ref?: string | undefined;
  /** The number of commits of history, from 1 on, as for `git clone --depth`. Default: all. */
  readonly depth?: number | undefined;
}

/**
 * Identifies a bundle. With `base`, it brings a checkout of this commit to the mirror's HEAD.
 * Without, it has all branches and tags, for `git clone --bundle-uri`.
 */
export interface BundleId {
  readonly kind: 'bundle';
  readonly repository: RepositoryId;
  /** A commit, by its full object id. Default: none. */
  readonly base?: string | undefined;
}

/** Identifies a bundle of the commits that a checkout of `base` lacks. */
export interface IncrementalBundleId extends BundleId {
  readonly base: string;
}

/** Identifies a snapshot or bundle of a repository. */
export type ArtifactId = SnapshotId | BundleId;

export function defaultSnapshot(repository: RepositoryId): SnapshotId {
  return { kind: 'snapshot', repository };
}

/** Whether the artifact is not the repository's default snapshot. */
export function isVariant(id: ArtifactId): boolean {
  return id.kind === 'bundle' || id.ref !== undefined || id.depth !== undefined;
}

/** Whether the artifact is a bundle that only fits checkouts of one commit. */
export function isIncremental(id: ArtifactId): id is IncrementalBundleId {
  return id.kind === 'bundle' && id.base !== undefined;
}

/** Whether the artifact is a snapshot whose `ref` is the id of a commit. */
export function isByCommit(id: ArtifactId): id is SnapshotId & { readonly ref: string } {
  return id.kind === 'snapshot' && id.ref !== undefined && OID_PATTERN.test(id.ref);
}

/** Whether no push changes the artifact: a snapshot by commit and depth has no branches or tags. */
export function isFixed(id: ArtifactId): boolean {
  return isByCommit(id) && id.depth !== undefined;
}

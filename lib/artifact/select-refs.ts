import { createHash } from 'node:crypto';
import { SnapshotError } from '../errors.js';
import { OID_PATTERN } from '../git/object.js';
import { RefList } from '../git/ref-list.js';
import { type Head, type Ref, refNameOf } from '../git/refs.js';
import type { ObjectReader } from '../pack/reader.js';

// Chooses HEAD and refs of a snapshot, as `git clone --branch --depth` does (builtin/clone.c).

export interface Selection {
  readonly ref?: string | undefined;
  readonly depth?: number | undefined;
}

/** The refs of a mirror's revision. */
export interface MirrorRefs {
  readonly head: Head;
  /** Branches and tags. */
  readonly refs: RefList;
  /** Identifies both. */
  readonly digest: string;
}

export interface SelectedRefs {
  /** HEAD of the snapshot. */
  readonly head: Head;
  /** The branch of `origin/HEAD`, by its full name. */
  readonly originHead: string | undefined;
  /** Branches and tags of the snapshot. With a depth, tags of missing commits are dropped later. */
  readonly refs: RefList;
  /** `remote.origin.fetch`; `undefined`: none. */
  readonly fetch: string | undefined;
  /** Identifies what the snapshot is built from: a stored one with the same basis is current. */
  readonly basis: string;
}

const ALL_BRANCHES = '+refs/heads/*:refs/remotes/origin/*';

/** @param reader reads packs with the commit of an id. @throws SnapshotError `REF_NOT_FOUND` */
export function selectRefs(
  { head, refs, digest }: MirrorRefs,
  { ref, depth }: Selection,
  reader: ObjectReader,
): SelectedRefs {
  const defaultBranch = head.kind === 'branch' && head.oid !== undefined ? head.ref : undefined;
  const target = ref === undefined ? targetOfHead(head, refs) : findTarget(refs, ref, reader);
  if (depth === undefined) {
    const all = { originHead: defaultBranch, refs, fetch: ALL_BRANCHES, basis: digest };
    return { head: target.head, ...all };
  }
  // A snapshot without a commit has no refs, not even tags.
  const hasTags = !target.isById && target.head.oid !== undefined;
  const tags = hasTags ? [...refs].filter(isTag) : [];
  const { named } = target;
  const originHead = named?.name === defaultBranch ? defaultBranch : undefined;
  return {
    head: target.head,
    originHead,
    refs: RefList.of(named === undefined || isTag(named) ? tags : [named, ...tags]),
    fetch: target.isById ? ALL_BRANCHES : named && refspec(named.name),
    basis: digestOf(target.head, originHead, tags),
  };
}

function isTag({ name }: Ref): boolean {
  return name.startsWith('refs/tags/');
}

interface Target {
  readonly head: Head;
  /** The branch or tag that `ref` names. */
  readonly named: Ref | undefined;
  readonly isById: boolean;
}

function targetOfHead(head: Head, refs: RefList): Target {
  const named = head.kind === 'branch' ? refs.find(head.ref) : undefined;
  return { head, named, isById: false };
}

function findTarget(refs: RefList, ref: string, reader: ObjectReader): Target {
  const commit = (oid: string | undefined): string => {
    if (oid !== undefined && reader.isCommit(oid) === true) return oid;
    throw new SnapshotError('REF_NOT_FOUND', `${ref} is no branch, tag or commit`);
  };
  if (OID_PATTERN.test(ref)) {
    return { head: { kind: 'detached', oid: commit(ref) }, named: undefined, isById: true };
  }
  const find = (kind: string) => refs.find(refNameOf(`refs/${kind}/${ref}`));
  const branch = find('heads');
  if (branch !== undefined) {
    const head: Head = { kind: 'branch', ref: branch.name, oid: commit(branch.oid) };
    return { head, named: branch, isById: false };
  }
  const tag = find('tags');
  const head: Head = { kind: 'detached', oid: commit(tag?.peeled ?? tag?.oid) };
  return { head, named: tag, isById: false };
}

function refspec(name: string): string {
  return `+${name}:${name.replace(/^refs\/heads\//, 'refs/remotes/origin/')}`;
}

function digestOf(head: Head, originHead: string | undefined, tags: readonly Ref[]): string {
  const hash = createHash('sha256').update(JSON.stringify([head, originHead ?? null]));
  for (const { name, oid } of tags) hash.update(`\n${oid} ${name}`);
  return hash.digest('hex');
}

import { refNameOf } from '../../git/refs.js';
import { withReader } from '../../pack/reader.js';
import { packPaths } from '../disk/layout.js';
import { readRefs } from '../disk/refs-file.js';
import { type MirrorTask, packsOf } from '../disk/revision.js';
import type { JobContext } from './job-context.js';

/** The refs, commits and objects to look for in a mirror. */
export interface MirrorQuery {
  /** Full names. */
  readonly refs: readonly string[];
  /** 40 hex digits each. */
  readonly commits: readonly string[];
  /** Ids of objects of any type: 4 to 40 hex digits each, in either case. */
  readonly objects: readonly string[];
}

export interface QueryTask extends MirrorQuery, MirrorTask {
  readonly kind: 'query';
}

export interface QueryResult {
  readonly kind: 'query';
  /** Full name → id, for the refs that exist. `HEAD` is one. */
  readonly refs: ReadonlyMap<string, string>;
  /** Commits and objects that the mirror lacks. An abbreviated id must be unambiguous. */
  readonly missing: readonly string[];
  readonly refCount: number;
}

/** @throws SnapshotError `MIRROR_CORRUPTED`. */
export async function queryMirror(task: QueryTask, { memory }: JobContext): Promise<QueryResult> {
  const { mirror, revision, limits, commits, objects } = task;
  const existing = readRefs(mirror, revision);
  const refs = new Map<string, string>();
  for (const name of task.refs) {
    const oid = name === 'HEAD' ? revision.head.oid : existing.find(refNameOf(name))?.oid;
    if (oid !== undefined) refs.set(name, oid);
  }
  const packs = packPaths(mirror, packsOf(revision));
  return await withReader(packs, { limits, memory }, (reader) => ({
    kind: 'query',
    refs,
    refCount: existing.length,
    missing: [
      ...commits.filter((oid) => reader.isCommit(oid) !== true),
      ...objects.filter((oid) => reader.packs.find(oid.toLowerCase()) === undefined),
    ],
  }));
}

import { refNameOf } from '../../git/refs.js';
import type { Limits } from '../../options.js';
import { withReader } from '../../pack/with-reader.js';
import { packPaths, readRefs } from '../disk/layout.js';
import { type MirrorRevision, packsOf } from '../disk/revision.js';
import type { JobContext } from './job-context.js';

/** What a mirror has, to be looked up. */
export interface LookUpTask {
  readonly kind: 'look-up';
  /** The mirror's directory. */
  readonly mirror: string;
  readonly revision: MirrorRevision;
  /** Full names. */
  readonly refs: readonly string[];
  /** 40 hex digits each. */
  readonly commits: readonly string[];
  /** Ids of objects of any type: 4 to 40 hex digits each, in either case. */
  readonly objects: readonly string[];
  readonly limits: Limits;
}

export interface LookUpResult {
  readonly kind: 'look-up';
  /** Full name → id, of the refs that are there. `HEAD` is one. */
  readonly refs: ReadonlyMap<string, string>;
  /** Of the commits and objects: those that are not there. One that is abbreviated must be the only one. */
  readonly missing: readonly string[];
  /** How many refs the mirror has. */
  readonly refCount: number;
}

/** Runs in a worker thread. @throws SnapshotError `REPOSITORY_DAMAGED`. */
export async function lookUp(task: LookUpTask, { memory }: JobContext): Promise<LookUpResult> {
  const { mirror, revision, limits, commits, objects } = task;
  const { head } = revision;
  const there = readRefs(mirror, revision);
  const refs = new Map<string, string>();
  for (const name of task.refs) {
    const oid = name === 'HEAD' ? head.oid : there.find(refNameOf(name))?.oid;
    if (oid !== undefined) refs.set(name, oid);
  }
  const packs = packPaths(mirror, packsOf(revision));
  return await withReader(packs, { limits, memory }, (reader) => ({
    kind: 'look-up',
    refs,
    refCount: there.length,
    missing: [
      ...commits.filter((oid) => reader.isCommit(oid) !== true),
      ...objects.filter((oid) => reader.find(oid.toLowerCase()) === undefined),
    ],
  }));
}

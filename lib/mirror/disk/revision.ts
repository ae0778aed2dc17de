import type { Limits } from '../../config/options.js';
import type { Head } from '../../git/refs.js';
import type { RepositoryId } from '../../repository.js';

/*
 * A revision lists the content of a mirror at one time: packs, refs and HEAD. Its file never
 * changes.
 *
 * A process publishes a revision by creating its file under the next number. Only one of several
 * processes can do so. A reader therefore sees one revision or another, and never a mix. If two
 * processes fetch at once, one of them fails to publish and must look again. All files that a
 * revision names exist before it is published.
 */

/** Commits that clients requested by id and that no ref leads to, with their packs. */
export interface Pinned {
  /** The last one is the latest. */
  readonly commits: readonly string[];
  /** Names without extension. */
  readonly packs: readonly string[];
}

export interface MirrorRevision {
  /** 1 or more. */
  readonly number: number;
  readonly repository: RepositoryId;
  /** Identifies a clone and all revisions that follow from it: 16 hex digits. */
  readonly clone: string;
  /** Names of the packs that the refs need, without extension, in the order of their arrival. */
  readonly packs: readonly string[];
  readonly head: Head;
  /** Digest of HEAD and all refs: see `digestRefs`. */
  readonly digest: string;
  readonly pinned: Pinned;
  /** When the packs began to hold unreachable objects: milliseconds since the epoch. */
  readonly garbageSince: number | undefined;
  /** How often unreachable objects were pruned. Objects of an earlier revision may be gone. */
  readonly prunings: number;
  /** Whether all reachable objects are known to exist. A large clone is checked later. */
  readonly isConnected: boolean;
}

/** A revision without its number. */
export type RevisionContent = Omit<MirrorRevision, 'number'>;

export interface RevisionOnDisk {
  /** Directory of the mirror. */
  readonly directory: string;
  readonly revision: MirrorRevision;
}

/** The common part of tasks that read a mirror; structured-cloneable. */
export interface MirrorTask {
  /** Directory of the mirror. */
  readonly mirror: string;
  readonly revision: MirrorRevision;
  readonly limits: Limits;
}

/** All packs that a revision names. */
export function packsOf({ packs, pinned }: Pick<MirrorRevision, 'packs' | 'pinned'>): string[] {
  return [...packs, ...pinned.packs];
}

import type { WorkLimits } from '../../config/options.js';
import type { Head } from '../../git/refs.js';
import type { RepositoryId } from '../../repository.js';

/*
 * A revision lists the packs, refs and HEAD of a mirror at one time. Its file never changes. All
 * files that it names exist before a process publishes it, by creating its file under the next
 * number. Only one process can do so: if two fetch at once, one of them must look again.
 */

/** How often work on a mirror is tried: in each attempt, another process may change the mirror. */
export const MAX_ATTEMPTS = 5;

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

export type RevisionContent = Omit<MirrorRevision, 'number'>;

export interface RevisionOnDisk {
  readonly directory: string;
  readonly revision: MirrorRevision;
}

/** The common part of tasks that read a mirror. */
export interface MirrorTask {
  /** Directory of the mirror. */
  readonly mirror: string;
  readonly revision: MirrorRevision;
  readonly limits: WorkLimits;
}

/** All packs that a revision names. */
export function packsOf({ packs, pinned }: Pick<MirrorRevision, 'packs' | 'pinned'>): string[] {
  return [...packs, ...pinned.packs];
}

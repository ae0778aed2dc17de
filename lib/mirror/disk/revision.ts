import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { hashLines } from '../../git/hash-lines.js';
import type { RefList } from '../../git/ref-list.js';
import type { Head } from '../../git/refs.js';
import type { RepositoryId } from '../../repository/identity.js';

/*
 * What a mirror holds at one time: which packs, which refs, and HEAD. Revisions are numbered files of a
 * directory of ours in the mirror, beside what git reads, and never change:
 *
 *     express-git-snapshot/3.json         the revision; the highest number is the current one
 *     express-git-snapshot/{digest}.refs  its refs, in the format of `packed-refs`
 *
 * A revision is published by making its file under the next number, which of several processes only
 * one can do. So a reader sees one revision or another and never a mix, and of two fetches at once one
 * is lost and has to look again. Everything that a revision names is there before it.
 */

/** What is kept on behalf of commits that clients asked for by id, and no ref leads to. */
export interface Pinned {
  /** The latest comes last. */
  readonly commits: readonly string[];
  /** Names without ending. */
  readonly packs: readonly string[];
}

export interface MirrorRevision {
  /** 1 and up. */
  readonly number: number;
  readonly repository: RepositoryId;
  /** Of all revisions since the clone, and of no other clone: 16 hex digits. */
  readonly clone: string;
  /** Names of packs, without ending, in the order in which they came: all that the refs need. */
  readonly packs: readonly string[];
  readonly head: Head;
  /** Stands for HEAD and all refs: see `digestRefs`. */
  readonly digest: string;
  readonly pinned: Pinned;
  /** Since when the packs hold objects that no ref leads to any more: milliseconds since the epoch. */
  readonly garbageSince: number | undefined;
  /** How often such objects were removed: what was there before may be gone. */
  readonly prunings: number;
  /** Whether all that the refs lead to is known to be there. Of a large clone that is checked later. */
  readonly isConnected: boolean;
}

/** All that it names: of the refs, and of pinned commits. */
export function packsOf({ packs, pinned }: Pick<MirrorRevision, 'packs' | 'pinned'>): string[] {
  return [...packs, ...pinned.packs];
}

/** Of a mirror's directory. */
export function revisionDirectory(mirror: string): string {
  return join(mirror, 'express-git-snapshot');
}

export function refsName(digest: string): string {
  return `${digest}.refs`;
}

export function refsPath(mirror: string, digest: string): string {
  return join(revisionDirectory(mirror), refsName(digest));
}

export function revisionPath(mirror: string, number: number): string {
  return join(revisionDirectory(mirror), `${number}.json`);
}

/** The name of HEAD and refs (as advertised, unpeeled): equal for equal ones. Hex SHA-256. */
export function digestRefs(head: Head, refs: RefList): string {
  const hash = createHash('sha256').update(`${JSON.stringify(head)}\n`);
  hashLines(hash, linesOf(refs), 'latin1');
  return hash.digest('hex');
}

function* linesOf(refs: RefList): Generator<string> {
  for (const { name, oid } of refs) yield `${name} ${oid}\n`;
}

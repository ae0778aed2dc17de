import { createHash } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { damagedFile, readFailure } from '../../fs/errors.js';
import { temporaryName } from '../../fs/temporary.js';
import { hashLines } from '../../git/hash-lines.js';
import { parsePackedRefs, type RefList } from '../../git/ref-list.js';
import type { Head } from '../../git/refs.js';
import { refsName, refsPath } from './layout.js';
import type { MirrorRevision } from './revision.js';

/*
 * The refs of revisions, in files that are named by a digest. Reads and writes are synchronous, so
 * only worker threads may do them. A thread leaks the descriptor if it ends while it opens a file
 * asynchronously.
 */

/** Digest of HEAD and of refs as the upstream advertises them, unpeeled. Hex SHA-256. */
export function digestRefs(head: Head, refs: RefList): string {
  const hash = createHash('sha256').update(`${JSON.stringify(head)}\n`);
  hashLines(hash, linesOf(refs), 'latin1');
  return hash.digest('hex');
}

function* linesOf(refs: RefList): Generator<string> {
  for (const { name, oid } of refs) yield `${name} ${oid}\n`;
}

/**
 * Writes refs to a file that is named by their digest.
 *
 * @param directory the mirror's `revisionDirectory`, or a directory from which the file is moved
 * there.
 */
export function writeRefs(directory: string, digest: string, refs: RefList): void {
  const path = join(directory, refsName(digest));
  const temporary = path + temporaryName('');
  writeFileSync(temporary, refs.packed, { flag: 'wx' });
  renameSync(temporary, path);
}

/**
 * Reads the refs of a revision.
 *
 * @throws SnapshotError `REPOSITORY_DAMAGED` when the file is missing or does not match its digest.
 */
export function readRefs(
  mirror: string,
  { head, digest }: Pick<MirrorRevision, 'head' | 'digest'>,
): RefList {
  const path = refsPath(mirror, digest);
  let refs: RefList;
  try {
    refs = parsePackedRefs(readFileSync(path));
  } catch (error) {
    throw readFailure(error);
  }
  if (digestRefs(head, refs) === digest) return refs;
  throw damagedFile(path);
}

/** Ids that refs and HEAD name, and the ids of `pinned` commits. May be iterated repeatedly. */
export function tipsOf(
  head: Head | undefined,
  refs: RefList,
  pinned: readonly string[] = [],
): Iterable<string> {
  return {
    *[Symbol.iterator]() {
      yield* refs.oids();
      if (head?.oid !== undefined) yield head.oid;
      yield* pinned;
    },
  };
}

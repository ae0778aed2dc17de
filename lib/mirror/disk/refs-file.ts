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
 * The refs of revisions. Only worker threads read and write them: synchronously, because a thread
 * that ends while it opens a file asynchronously leaks the descriptor.
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

/** @param directory the mirror's `revisionDirectory`, or one from which the file is moved there. */
export function writeRefs(directory: string, digest: string, refs: RefList): void {
  const path = join(directory, refsName(digest));
  const temporary = path + temporaryName('');
  writeFileSync(temporary, refs.packed, { flag: 'wx' });
  renameSync(temporary, path);
}

/** @throws SnapshotError `MIRROR_CORRUPTED` unless the file exists and matches its digest. */
export function readRefs(
  mirror: string,
  { head, digest }: Pick<MirrorRevision, 'head' | 'digest'>,
): RefList {
  const path = refsPath(mirror, digest);
  try {
    const refs = parsePackedRefs(readFileSync(path));
    if (digestRefs(head, refs) === digest) return refs;
  } catch (error) {
    throw readFailure(error);
  }
  throw damagedFile(path);
}

/** The ids of refs, HEAD and `pinned` commits. May be iterated repeatedly. */
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

import { SnapshotError } from '../errors.js';
import { OID_BYTES } from './object.js';

export interface CommitHeader {
  /** 20 bytes. */
  readonly tree: Buffer;
  /** 20 bytes each. */
  readonly parents: readonly Buffer[];
  /** In whole seconds since the epoch; 0 if the commit has no readable time. */
  readonly committedAt: number;
}

const OID_DIGITS = 2 * OID_BYTES;
const LINE_FEED = 0x0a;

/**
 * Reads a commit as `parse_commit_buffer` of git's commit.c does: ids may have upper-case digits.
 *
 * @throws SnapshotError `UPSTREAM_INVALID` when the commit does not begin with its tree.
 */
export function parseCommit(data: Buffer): CommitHeader {
  const tree = oidAfter(data, 'tree ', 0);
  if (tree === undefined) throw new SnapshotError('UPSTREAM_INVALID', 'a commit is malformed');
  const parents: Buffer[] = [];
  let at = 'tree '.length + OID_DIGITS + 1;
  for (;;) {
    const parent = oidAfter(data, 'parent ', at);
    if (parent === undefined) break;
    parents.push(parent);
    at += 'parent '.length + OID_DIGITS + 1;
  }
  return { tree, parents, committedAt: committedAt(data, at) };
}

/** The id on the line that begins at `at`, if it is `<keyword><id>`. */
function oidAfter(data: Buffer, keyword: string, at: number): Buffer | undefined {
  const start = at + keyword.length;
  const end = start + OID_DIGITS;
  if (data[end] !== LINE_FEED || data.toString('latin1', at, start) !== keyword) return undefined;
  const oid = Buffer.from(data.toString('latin1', start, end), 'hex');
  return oid.length === OID_BYTES ? oid : undefined;
}

/** The time on the line after the author's. */
function committedAt(data: Buffer, authorAt: number): number {
  const line = data.indexOf(LINE_FEED, authorAt) + 1;
  if (line === 0 || data.toString('latin1', line, line + 10) !== 'committer ') return 0;
  const end = data.indexOf(LINE_FEED, line);
  if (end < 0) return 0;
  const time = /> *(\d{1,15}) [^>]*$/.exec(data.toString('latin1', line, end))?.[1];
  return time === undefined ? 0 : Number(time);
}

/** The id of the object that an annotated tag names. */
export function parseTagTarget(data: Buffer): string {
  const target = /^object ([0-9a-f]{40})\n/.exec(data.toString('latin1', 0, 48))?.[1];
  if (target === undefined) throw new SnapshotError('UPSTREAM_INVALID', 'a tag is malformed');
  return target;
}

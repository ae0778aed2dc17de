import { SnapshotError } from '../errors.js';

/** What a walk over history needs of a commit. */
export interface CommitLinks {
  /** 20 bytes. */
  readonly tree: Buffer;
  /** 20 bytes each. */
  readonly parents: readonly Buffer[];
  /** When it was committed, in seconds since the epoch; 0 when it does not say. */
  readonly committedAt: number;
}

const OID_DIGITS = 40;

/** @throws SnapshotError `UPSTREAM_INVALID` */
export function parseCommitLinks(data: Buffer): CommitLinks {
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
  if (data[end] !== 0x0a || data.toString('latin1', at, start) !== keyword) return undefined;
  const oid = Buffer.from(data.toString('latin1', start, end), 'hex');
  return oid.length * 2 === OID_DIGITS ? oid : undefined;
}

/** The time on the line after the author's, as git reads it. */
function committedAt(data: Buffer, authorAt: number): number {
  const line = data.indexOf(0x0a, authorAt) + 1;
  if (line === 0 || data.toString('latin1', line, line + 10) !== 'committer ') return 0;
  const end = data.indexOf(0x0a, line);
  if (end < 0) return 0;
  const time = /> *(\d{1,15}) [^>]*$/.exec(data.toString('latin1', line, end))?.[1];
  return time === undefined ? 0 : Number(time);
}

import { SnapshotError } from '../errors.js';

/** What a checkout needs of a commit. */
export interface Commit {
  /** The id of its tree. */
  readonly tree: string;
  /** When it was committed, in whole seconds since the epoch; 0 when it does not say. */
  readonly committedAt: number;
}

export function parseCommit(data: Buffer): Commit {
  const text = data.toString('latin1');
  const tree = /^tree ([0-9a-f]{40})\n/.exec(text)?.[1];
  if (tree === undefined) throw new SnapshotError('UPSTREAM_INVALID', 'a commit is malformed');
  const header = text.slice(0, text.indexOf('\n\n') + 1);
  const committedAt = Number(/^committer .*> (\d{1,15}) [-+]\d+$/m.exec(header)?.[1] ?? 0);
  return { tree, committedAt };
}

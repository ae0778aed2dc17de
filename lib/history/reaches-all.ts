import { ObjectSet } from '../pack/object-set.js';
import type { ObjectReader } from '../pack/reader.js';
import { CommitQueue } from './commit-queue.js';
import { CommitReader } from './commit-reader.js';
import { resolveTips } from './tips.js';

/**
 * Whether all target commits can be reached from the tips: `git merge-base --is-ancestor` for many
 * commits. The newest commits are read first, which finds recent targets soon.
 *
 * @param tips ids of any objects, 40 hex digits each.
 * @param targets the same. A target that is not a commit counts as reached only if it is a tip too.
 * @returns `undefined` if the search takes more than `maxCommits`, or there are more tips.
 * @throws SnapshotError `UPSTREAM_INVALID` for a missing or malformed object; the signal's reason.
 */
export function reachesAll(
  reader: ObjectReader,
  tips: Iterable<string>,
  targets: Iterable<string>,
  maxCommits: number,
  signal?: AbortSignal,
): boolean | undefined {
  const from = resolveTips(reader, tips);
  const to = resolveTips(reader, targets);
  for (const kind of ['tags', 'trees', 'blobs'] as const) {
    const reached = new Set(from[kind]);
    if (!to[kind].every((number) => reached.has(number))) return false;
  }
  const missing = new Set(to.commits);
  const seen = new ObjectSet(reader.objectCount);
  for (const number of from.commits) missing.delete(number);
  if (missing.size > 0 && from.commits.length > maxCommits) return undefined;
  const commits = new CommitReader(reader);
  const queue = new CommitQueue();
  const enqueue = (number: number) => {
    if (!seen.add(number)) return;
    queue.push(commits.read(number));
    missing.delete(number);
  };
  for (const number of from.commits) enqueue(number);
  for (let visited = 0; missing.size > 0; visited++) {
    signal?.throwIfAborted();
    const commit = queue.pop();
    if (commit === undefined) return false;
    if (visited === maxCommits) return undefined;
    for (const oid of commit.parents) enqueue(reader.requireNumber(oid));
  }
  return true;
}

import { setImmediate } from 'node:timers/promises';
import { Heap } from '../../async/heap.js';
import { parseTagTarget } from '../../git/commit.js';
import { ObjectType } from '../../git/object.js';
import type { LocalObjects } from './local-objects.js';

/** Commits that are read before other work gets a turn. */
const BATCH = 1000;

interface Queued {
  readonly parents: readonly Buffer[];
  readonly committedAt: number;
}

/**
 * Whether a commit can be reached from one of the tips: `git merge-base --is-ancestor`. Reads the
 * newest commits first, so a recent one is found soon; if there is none, the whole history is read.
 *
 * @param tips ids of any objects.
 * @param shallow commits whose parents the checkout lacks.
 * @throws SnapshotError `CHECKOUT_UNSUPPORTED`; the signal's reason.
 */
export async function reaches(
  objects: LocalObjects,
  tips: readonly string[],
  commit: string,
  shallow: ReadonlySet<string>,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const seen = new Set<string>();
  const queue = new Heap<Queued>((a, b) => a.committedAt > b.committedAt);
  const enqueue = (oid: string) => {
    if (seen.has(oid)) return;
    seen.add(oid);
    const { parents, committedAt } = objects.readCommit(oid);
    queue.push({ parents: shallow.has(oid) ? [] : parents, committedAt });
  };
  for (const tip of tips) {
    const peeled = peelToCommit(objects, tip);
    if (peeled !== undefined) enqueue(peeled);
  }
  for (let count = 0; !seen.has(commit); count++) {
    if (count % BATCH === 0) {
      await setImmediate();
      signal?.throwIfAborted();
    }
    const next = queue.pop();
    if (next === undefined) return false;
    for (const parent of next.parents) enqueue(parent.toString('hex'));
  }
  return true;
}

function peelToCommit(objects: LocalObjects, tip: string): string | undefined {
  for (let oid = tip; ; ) {
    const { type, data } = objects.read(oid);
    if (type === ObjectType.commit) return oid;
    if (type !== ObjectType.tag) return undefined;
    oid = parseTagTarget(data);
  }
}

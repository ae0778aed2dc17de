import { diverged } from './errors.js';
import { reaches } from './history.js';
import type { LocalObjects } from './local-objects.js';
import type { LocalHead, LocalRefs } from './local-refs.js';

/** Where HEAD is, or goes. */
export interface Position {
  readonly head: LocalHead;
  /** `undefined`: there is no commit yet. */
  readonly commit: string | undefined;
}

interface Choice {
  readonly refs: LocalRefs;
  readonly objects: LocalObjects;
  readonly shallow: ReadonlySet<string>;
  readonly force: boolean;
  readonly signal: AbortSignal | undefined;
}

/**
 * The commit to which HEAD goes so that no commit of the checkout is lost: a branch moves forward as
 * by `git merge --ff-only`, or stays if it is ahead. With `force`, the upstream's commit.
 *
 * @param upstream where the upstream's HEAD is, with the name of the local branch.
 * @throws SnapshotError `DIVERGED`
 */
export async function chooseCommit(
  present: Position,
  upstream: Position,
  { refs, objects, shallow, force, signal }: Choice,
): Promise<string | undefined> {
  const next = upstream.commit;
  if (next === undefined) return present.commit;
  if (force) return next;
  const reachable = (tips: readonly string[], commit: string) =>
    reaches(objects, tips, commit, shallow, signal);
  // Commits of a detached HEAD, which no ref keeps.
  if ('oid' in present.head && present.head.oid !== next) {
    const { oid } = present.head;
    if (!(await reachable([next, ...(await refs.oids())], oid))) {
      throw diverged(`HEAD is detached at ${oid}, to which no branch or tag leads`);
    }
  }
  if (!('ref' in upstream.head)) return next;
  const { ref } = upstream.head;
  const local = await refs.read(ref);
  if (local === undefined || local === next) return next;
  if (await reachable([next], local)) return next;
  if (await reachable([local], next)) return local;
  throw diverged(`${ref} is at ${local}, which ${next} does not contain`);
}

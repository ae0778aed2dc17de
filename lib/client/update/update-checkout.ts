import { lstat, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { shownName } from '../../archive/entry-path.js';
import { SnapshotError } from '../../errors.js';
import { unlessMissing } from '../../fs/errors.js';
import { replace } from '../../fs/replace.js';
import { removeAbandoned, removeTree, temporaryName } from '../../fs/temporary.js';
import { ObjectMemory } from '../../pack/object-memory.js';
import {
  type Checkout,
  openCheckout,
  readIndex,
  readShallow,
  refuseOtherWorktree,
  refuseUnfinished,
  UNFINISHED,
} from './checkout.js';
import { chooseCommit, type Position } from './choose-commit.js';
import { invalidUpdate, unsupported } from './errors.js';
import { LocalObjects } from './local-objects.js';
import { removeAbandonedLocks, withLockOf } from './lock-file.js';
import { isSameHead, moveHead, refuseMove } from './move-head.js';
import { receiveUpstream, type UpdateSource, type Upstream } from './receive-upstream.js';
import { type UpdateFilesOptions, updateFiles } from './update-files.js';

export interface UpdateResult {
  /** Whether HEAD, or a file, was changed. */
  readonly isChanged: boolean;
  /** The commit of HEAD; `undefined` if there is none. */
  readonly commit: string | undefined;
  /** Files and symlinks that were written or removed. */
  readonly files: number;
  readonly skipped: readonly string[];
}

/**
 * Brings a checkout to the state of its upstream, as `git fetch` and `git merge --ff-only` do; with
 * `force`, as `git fetch` and `git reset --hard`.
 *
 * The order makes it safe to kill: objects come before the refs that need them; the files of the
 * working tree before the index, and HEAD last. A repeated call completes what a killed one began.
 *
 * @param directory absolute, with a `.git`.
 * @throws SnapshotError `LOCAL_CHANGES`, `DIVERGED`, `CHECKOUT_LOCKED`, `CHECKOUT_UNSUPPORTED`,
 * `ARCHIVE_INVALID`, `NAME_UNSUPPORTED`, `LIMIT_EXCEEDED`; errors of the source.
 */
export async function updateCheckout(
  directory: string,
  source: UpdateSource,
  options: UpdateFilesOptions,
): Promise<UpdateResult> {
  const checkout = await openCheckout(directory);
  await refuseUnfinished(checkout, options.force);
  await removeAbandoned(checkout.gitDirectory);
  await removeAbandonedLocks(checkout.gitDirectory);
  const name = temporaryName('restore');
  const scratch = join(checkout.gitDirectory, name);
  await mkdir(scratch, { mode: 0o700 });
  const memory = new ObjectMemory(0);
  try {
    const upstream = await withObjects(checkout, memory, (objects) =>
      receiveUpstream(checkout, objects, source, { scratch, memory, signal: options.signal }),
    );
    options.signal?.throwIfAborted();
    const present = { ...checkout, shallow: await readShallow(checkout.gitDirectory) };
    return await withObjects(present, memory, async (objects) => {
      refuseMissing(upstream, objects);
      await present.refs.track(upstream.refs);
      return await moveTo(upstream, present, objects, { ...options, scratch, owner: name });
    });
  } catch (error) {
    throw withCodeOfClient(error);
  } finally {
    await removeTree(scratch);
  }
}

/** A ref to an object that is missing would stop git's later fetches. */
function refuseMissing({ commit, refs }: Upstream, objects: LocalObjects): void {
  if (commit !== undefined && !objects.has(commit)) {
    throw invalidUpdate(`the snapshot lacks HEAD's commit ${commit}`);
  }
  for (const { name, oid } of refs) {
    if (objects.has(oid)) continue;
    throw invalidUpdate(`the snapshot lacks ${oid}, which ${shownName(name)} names`);
  }
}

interface MoveOptions extends UpdateFilesOptions {
  readonly scratch: string;
  readonly owner: string;
}

async function moveTo(
  upstream: Upstream,
  checkout: Checkout,
  objects: LocalObjects,
  options: MoveOptions,
): Promise<UpdateResult> {
  const { refs, shallow, gitDirectory } = checkout;
  const { force, signal, scratch, owner } = options;
  const indexPath = join(gitDirectory, 'index');
  return await withLockOf(indexPath, owner, async () => {
    const head = await refs.head();
    const present: Position = {
      head,
      commit: 'ref' in head ? await refs.read(head.ref) : head.oid,
    };
    const to = upstream.head;
    const local = 'ref' in to ? await refs.read(to.ref) : undefined;
    const choice = { refs, objects, shallow, force, signal };
    const commit = await chooseCommit(present, upstream, choice);
    const isThere = commit === present.commit && isSameHead(present.head, upstream.head);
    if (commit === undefined || (isThere && !force)) {
      return { isChanged: false, commit: present.commit, files: 0, skipped: [] };
    }
    if ('ref' in to) {
      await refuseOtherWorktree(checkout, to.ref);
      if (local === undefined) await refs.refuseBlockedName(to.ref);
    }
    const treeOf = (oid: string | undefined) =>
      oid === undefined ? undefined : objects.readCommit(oid).tree.toString('hex');
    const stats = await unlessMissing(lstat(indexPath, { bigint: true }));
    const update = {
      objects,
      index: await readIndex(checkout),
      indexedAt: stats === undefined ? 0n : stats.mtimeNs / 1_000_000_000n,
      before: treeOf(present.commit),
      after: treeOf(commit),
      scratch,
      confirm: () => refuseMove(checkout, present, { head: to, commit, local }),
    };
    const { index, files, skipped } = await updateFiles(checkout, update, options);
    await replace(index, indexPath);
    const isMoved = commit !== present.commit;
    if (isMoved && present.commit !== undefined) {
      await writeFile(join(gitDirectory, 'ORIG_HEAD'), `${present.commit}\n`);
    }
    await moveHead(checkout, present, { head: to, commit, local });
    if (force) {
      for (const name of UNFINISHED) await rm(join(gitDirectory, name), { force: true });
    }
    return { isChanged: !isThere || files > 0, commit, files, skipped };
  });
}

async function withObjects<T>(
  { gitDirectory }: Checkout,
  memory: ObjectMemory,
  work: (objects: LocalObjects) => Promise<T>,
): Promise<T> {
  const objects = await LocalObjects.open(join(gitDirectory, 'objects'), memory);
  try {
    return await work(objects);
  } finally {
    objects.close();
  }
}

/** Errors of parts that the server uses as well, where they are about an upstream and a mirror. */
function withCodeOfClient(error: unknown): unknown {
  if (SnapshotError.is(error, 'UPSTREAM_INVALID', 'REPOSITORY_INVALID', 'REPOSITORY_UNSUPPORTED')) {
    return invalidUpdate(error.message, error);
  }
  if (SnapshotError.is(error, 'MIRROR_CORRUPTED')) return unsupported(error.message, error);
  return error;
}

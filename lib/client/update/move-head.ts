import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { trackingLines } from '../../git/encode-config.js';
import { type Checkout, readConfig } from './checkout.js';
import type { Position } from './choose-commit.js';
import { changedMeanwhile } from './errors.js';
import { LocalRefs } from './local-refs.js';
import { refuseLocked, replaceLocked } from './lock-file.js';
import { noteMove } from './reflog.js';

const BRANCHES = 'refs/heads/';

/** Where HEAD goes. */
interface Destination {
  readonly head: Position['head'];
  readonly commit: string;
  /** What the branch of `head` named when the commit was chosen. */
  readonly local: string | undefined;
}

/**
 * Refuses a move that would fail: another program has moved HEAD or its branch, or writes them.
 *
 * @throws SnapshotError `CHECKOUT_LOCKED`
 */
export async function refuseMove(
  { gitDirectory }: Checkout,
  from: Position,
  { head, commit, local }: Destination,
): Promise<void> {
  const now = new LocalRefs(gitDirectory); // no ref is kept from before
  const isSame = isSameHead(await now.head(), from.head);
  if (!isSame || (await now.read('HEAD')) !== from.commit) throw changedMeanwhile('HEAD');
  if (!isSameHead(from.head, head)) await now.refuseLocked('HEAD');
  if (!('ref' in head)) return;
  if ((await now.read(head.ref)) !== local) throw changedMeanwhile(head.ref);
  if (local !== commit) await now.refuseLocked(head.ref);
  if (local === undefined) await refuseLocked(join(gitDirectory, 'config'));
}

/**
 * Points HEAD at a commit, and its branch too. A new branch tracks the upstream's branch of its name.
 *
 * @param from where HEAD was when the update began.
 * @throws SnapshotError `CHECKOUT_LOCKED`, also if git has moved the branch meanwhile.
 */
export async function moveHead(
  { gitDirectory, refs, config }: Checkout,
  from: Position,
  to: Destination,
): Promise<void> {
  const { head, commit, local } = to;
  const message = 'restoreSnapshot: updated';
  const isLogged = config.boolean('core.logallrefupdates', true);
  if ('ref' in head) {
    if (local !== commit) {
      await refs.write(head.ref, commit, local ?? '');
      const name = Buffer.from(head.ref, 'latin1').toString();
      if (isLogged) await noteMove(gitDirectory, name, { from: local, to: commit, message });
    }
    if (local === undefined) await trackUpstream(gitDirectory, head.ref);
  }
  if (!isSameHead(from.head, head)) await refs.writeHead(head);
  const move = { from: from.commit, to: commit, message };
  if (isLogged && from.commit !== commit) await noteMove(gitDirectory, 'HEAD', move);
}

export function isSameHead(a: Position['head'], b: Position['head']): boolean {
  return 'ref' in a ? 'ref' in b && a.ref === b.ref : 'oid' in b && a.oid === b.oid;
}

/** As `git switch` does for a new branch. */
async function trackUpstream(gitDirectory: string, ref: string): Promise<void> {
  const path = join(gitDirectory, 'config');
  const name = ref.slice(BRANCHES.length);
  await replaceLocked(path, gitDirectory, async () => {
    if ((await readConfig(path)).text(`branch.${name}.merge`) !== undefined) return undefined;
    const text = (await readFile(path, 'latin1')).replace(/[^\n]$/, '$&\n');
    return Buffer.from(`${text}${trackingLines(ref).join('\n')}\n`, 'latin1');
  });
}

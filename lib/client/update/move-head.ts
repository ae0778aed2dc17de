import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { trackingLines } from '../../git/encode-config.js';
import { type Checkout, readConfig } from './checkout.js';
import type { Position } from './choose-commit.js';
import { replaceLocked } from './lock-file.js';
import { noteMove } from './reflog.js';

const BRANCHES = 'refs/heads/';

/**
 * Points HEAD at a commit, and its branch too. A new branch tracks the upstream's branch of its name.
 *
 * @param from where HEAD was when the update began.
 * @param to with the commit of the new position.
 * @throws SnapshotError `CHECKOUT_LOCKED`, also if git has moved the branch meanwhile.
 */
export async function moveHead(
  { gitDirectory, refs, config }: Checkout,
  from: Position,
  to: { readonly head: Position['head']; readonly commit: string },
): Promise<void> {
  const { head, commit } = to;
  const message = 'restoreSnapshot: updated';
  const isLogged = config.boolean('core.logallrefupdates', true);
  if ('ref' in head) {
    const local = await refs.read(head.ref);
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
  await replaceLocked(path, async () => {
    if ((await readConfig(path)).text(`branch.${name}.merge`) !== undefined) return undefined;
    const text = (await readFile(path, 'latin1')).replace(/[^\n]$/, '$&\n');
    return Buffer.from(`${text}${trackingLines(ref).join('\n')}\n`, 'latin1');
  });
}

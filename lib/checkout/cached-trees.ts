import { parseTree } from '../git/tree.js';
import type { ObjectReader } from '../pack/reader.js';
import type { CachedTree, CachedTrees } from './git-index.js';
import type { CheckoutPlan } from './planned-tree.js';
import { subtreesInCacheOrder } from './tree-order.js';
import { readTree } from './tree-walk.js';

/**
 * The trees of a checkout as its index caches them; `undefined` if the checkout has a directory
 * without files, which an index can't represent.
 */
export function cachedTrees(reader: ObjectReader, plan: CheckoutPlan): CachedTrees | undefined {
  const root = plan.trees.get(plan.root);
  if (root === undefined || root.hasEmptyDirectory) return undefined;
  return { bytes: root.cachedBytes, trees: walkDirectories(reader, plan) };
}

/** @throws SnapshotError as `readTree`. */
function* walkDirectories(reader: ObjectReader, plan: CheckoutPlan): Generator<CachedTree> {
  const cached = (name: string, oid: string): CachedTree => {
    const { files = 0, subtrees = 0 } = plan.trees.get(oid) ?? {};
    return { name, oid, entries: files, subtrees };
  };
  const open = (oid: string) => parseTree(subtreesInCacheOrder(readTree(reader, oid)));
  yield cached('', plan.root);
  const way = [open(plan.root)];
  for (let last = way.at(-1); last !== undefined; last = way.at(-1)) {
    const next = last.next();
    if (next.done === true) {
      way.pop();
      continue;
    }
    const { name, oid } = next.value;
    yield cached(name, oid);
    way.push(open(oid));
  }
}

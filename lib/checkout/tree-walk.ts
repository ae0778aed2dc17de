import { SnapshotError } from '../errors.js';
import { ObjectType } from '../git/object.js';
import { parseTree, type TreeEntry } from '../git/tree.js';
import type { ObjectReader } from '../pack/reader.js';
import { AttributeRules } from './attributes.js';
import { readBlob } from './blob.js';
import type { CachedTree, CachedTrees } from './git-index.js';
import type { CheckoutPlan } from './planned-tree.js';
import { inIndexOrder, subtreesInCacheOrder } from './tree-order.js';

/* Walks HEAD's tree in the orders of git's index. Memory: the trees on the path from the root. */

/** A file, symlink or submodule of a checkout, or a directory that contains some. */
export interface CheckoutEntry extends TreeEntry {
  /** From the root, without slash at either end. Bytes as latin1. */
  readonly path: string;
  readonly rules: RulesOfDirectory;
  /** The reader's number of its blob; `undefined` for directories and submodules. */
  readonly blob: number | undefined;
}

/** Attributes that apply in a directory. @throws SnapshotError as `readBlob`; `LIMIT_EXCEEDED`. */
type RulesOfDirectory = () => AttributeRules;

/**
 * All entries, parents first, except empty directories: git's checkout makes none.
 *
 * @throws SnapshotError as `readTree`.
 */
export function* walkCheckout(
  reader: ObjectReader,
  plan: CheckoutPlan,
  builtIn = AttributeRules.builtIn(),
): Generator<CheckoutEntry> {
  const open = (oid: string, prefix: string, above: RulesOfDirectory) => {
    const { attributes, firstBlob = 0 } = plan.trees.get(oid) ?? {};
    const rules =
      attributes === undefined
        ? above
        : once(() => above().child(prefix, readBlob(reader, attributes)));
    return { prefix, rules, entries: parseTree(readTree(reader, oid)), nextBlob: firstBlob };
  };
  const way = [open(plan.root, '', () => builtIn)];
  for (let last = way.at(-1); last !== undefined; last = way.at(-1)) {
    const next = last.entries.next();
    if (next.done === true) {
      way.pop();
      continue;
    }
    const { name, kind, executable, oid } = next.value;
    const isDirectory = kind === 'directory';
    if (isDirectory && plan.trees.get(oid)?.files === 0) continue;
    const { rules } = last;
    const path = last.prefix + name;
    const hasBlob = kind === 'file' || kind === 'symlink';
    const blob = hasBlob ? plan.blobs.at(last.nextBlob++) : undefined;
    yield { name, kind, executable, oid, path, rules, blob };
    if (isDirectory) way.push(open(oid, `${path}/`, rules));
  }
}

function once<T extends object>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/** `undefined` if the checkout has a directory without files, which an index can't represent. */
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

/**
 * A tree in the order of the index.
 *
 * @throws SnapshotError `UPSTREAM_INVALID` if it is malformed or no tree; as `ObjectReader.read`.
 */
export function readTree(reader: ObjectReader, oid: string): Buffer {
  const { type, data } = reader.read(oid);
  if (type !== ObjectType.tree) throw new SnapshotError('UPSTREAM_INVALID', `${oid} is no tree`);
  return inIndexOrder(data);
}

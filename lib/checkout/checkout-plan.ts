import type { WorkLimits } from '../config/options.js';
import { limitExceeded } from '../errors.js';
import { MAX_NAME_BYTES, MAX_PATH_BYTES, verifyPath } from '../git/path-safety.js';
import { parseTree, type TreeEntry } from '../git/tree.js';
import { NumberList } from '../history/number-list.js';
import { ObjectSet } from '../pack/object-set.js';
import type { ObjectReader } from '../pack/reader.js';
import { AttributeSteps } from './attribute-steps.js';
import { AttributeRules } from './attributes.js';
import { readSymlinkTarget, refusedPath } from './blob.js';
import { needsConversion } from './convert.js';
import { type CheckoutPlan, PlannedTree } from './planned-tree.js';
import { readTree, walkCheckout } from './tree-walk.js';

/**
 * Plans a checkout before the first byte is sent, when a failure can still be answered with an
 * error. Only checks that read every file come later. Each tree is read once, and its sums are
 * added wherever it appears: a few small trees that name each other make billions of files.
 *
 * @param root the id of HEAD's tree.
 * @throws SnapshotError `REPOSITORY_INVALID` for names, symlinks and attributes with which git's
 * checkout fails; `UPSTREAM_INVALID` for missing objects and malformed trees; `LIMIT_EXCEEDED`, for
 * `maxCheckoutBytes` only if the blobs that are not deltas exceed it already.
 */
export function planCheckout(reader: ObjectReader, root: string, limits: WorkLimits): CheckoutPlan {
  const planner = new Planner(reader, limits);
  const { files } = planner.plan('', root);
  const { trees, blobs } = planner;
  const plan = { root, trees, blobs, converted: new ObjectSet(files) };
  if (!planner.hasAttributes) return plan;
  const builtIn = AttributeRules.builtIn(new AttributeSteps(limits.maxAttributeSteps));
  let position = 0;
  for (const { kind, path, rules } of walkCheckout(reader, plan, builtIn)) {
    if (kind === 'directory') continue;
    if (kind === 'file' && needsConversion(rules().lookup(path))) {
      plan.converted.add(position);
    }
    position++;
  }
  return plan;
}

/** @throws SnapshotError `LIMIT_EXCEEDED` */
export function checkSize(checkoutBytes: number, { maxCheckoutBytes }: WorkLimits): void {
  if (checkoutBytes > maxCheckoutBytes) {
    throw limitExceeded('maxCheckoutBytes', 'the checkout is larger than maxCheckoutBytes');
  }
}

class Planner {
  readonly trees = new Map<string, PlannedTree>();
  readonly blobs = new NumberList();
  hasAttributes = false;
  readonly #reader: ObjectReader;
  readonly #limits: WorkLimits;
  /** Sums over all entries so far, at each place where they appear. */
  #entries = 0;
  #pathBytes = 0;
  #fileBytes = 0;

  constructor(reader: ObjectReader, limits: WorkLimits) {
    this.#reader = reader;
    this.#limits = limits;
  }

  /** Recursive, as deep as a path is long. @param path empty, or with a slash at its end. */
  plan(path: string, oid: string): PlannedTree {
    const known = this.trees.get(oid);
    if (known !== undefined) {
      if (path.length + known.longestPath > MAX_PATH_BYTES) {
        throw refusedPath(path, 'holds a path that is too long');
      }
      this.#count(known.entries, known.pathBytes + known.entries * path.length, known.fileBytes);
      return known;
    }
    const tree = readTree(this.#reader, oid);
    const planned = this.#planFiles(path, tree);
    this.hasAttributes ||= planned.attributes !== undefined;
    for (const { name, kind, oid } of planned.subtrees === 0 ? [] : parseTree(tree)) {
      if (kind !== 'directory') continue;
      const below = this.plan(`${path}${name}/`, oid);
      // git looks for that name in the whole path of a symlink.
      if (below.hasSymlink && verifyPath(`${name}/link`, true) !== undefined) {
        throw refusedPath(path + name, 'is .gitmodules on some file system, and holds a symlink');
      }
      planned.addBelow(name, below);
    }
    this.trees.set(oid, planned);
    return planned;
  }

  /** Plans the entries of a tree, without the content of its directories. */
  #planFiles(path: string, tree: Buffer): PlannedTree {
    const planned = new PlannedTree(this.blobs.length);
    const names: string[] = [];
    for (const entry of parseTree(tree)) {
      const { name } = entry;
      verifyName(path, entry);
      if (!addName(names, name)) throw refusedPath(path + name, 'is there twice');
      const bytes = this.#checkFile(path + name, entry);
      this.#count(1, path.length + name.length, bytes);
      planned.add(entry, bytes);
    }
    return planned;
  }

  /** @returns its bytes, as far as known without applying deltas. */
  #checkFile(path: string, { kind, oid }: TreeEntry): number {
    if (kind === 'directory' || kind === 'gitlink') return 0;
    const number = this.#reader.requireNumber(Buffer.from(oid, 'hex'));
    const located = this.#reader.locateNumber(number);
    if (kind === 'symlink') readSymlinkTarget(this.#reader, { path, oid }, located);
    this.blobs.push(number);
    return located.wholeSize ?? 0;
  }

  #count(entries: number, pathBytes: number, fileBytes: number): void {
    this.#entries += entries;
    this.#pathBytes += pathBytes;
    this.#fileBytes += fileBytes;
    if (this.#entries > this.#limits.maxFiles) {
      throw limitExceeded('maxFiles', 'the checkout has more files than maxFiles');
    }
    if (this.#pathBytes > this.#limits.maxPathBytes) {
      throw limitExceeded('maxPathBytes', 'the paths have more bytes than maxPathBytes');
    }
    checkSize(this.#fileBytes, this.#limits);
  }
}

/** @throws SnapshotError `REPOSITORY_INVALID` */
function verifyName(path: string, { name, kind }: TreeEntry): void {
  // git's rules for a path follow from its names, except the rule for symlinks below a directory.
  const refusal = name.includes('/')
    ? 'has a slash in its name'
    : verifyPath(name, kind === 'symlink');
  if (refusal !== undefined) throw refusedPath(path + name, refusal);
  if (name.length > MAX_NAME_BYTES || path.length + name.length > MAX_PATH_BYTES) {
    throw refusedPath(path + name, 'is too long');
  }
}

/**
 * Finds duplicate names in a tree in the order of the index. A file and a directory of one name may
 * be apart: `a-` comes between `a` and `a/`. All names between them begin with that name, so
 * `kept` needs only the names with which the latest one begins.
 *
 * @returns `false` when the tree has the name already.
 */
function addName(kept: string[], name: string): boolean {
  for (let last = kept.at(-1); last !== undefined; last = kept.at(-1)) {
    if (last === name) return false;
    if (name.startsWith(last)) break;
    kept.pop();
  }
  kept.push(name);
  return true;
}

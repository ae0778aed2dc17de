import { SnapshotError } from '../errors.js';
import { ObjectType } from '../git/object.js';
import { parseTree, type TreeEntry } from '../git/tree.js';
import type { ObjectReader } from '../pack/reader.js';
import { AttributeRules } from './attributes.js';
import { readBlob } from './blob.js';
import type { CheckoutPlan } from './planned-tree.js';
import { inIndexOrder } from './tree-order.js';

/*
 * Walks HEAD's tree in the order of git's index. Memory: the trees on the path from the root.
 */

/** A file, symlink or submodule of a checkout, or a directory that contains some. */
export interface CheckoutEntry extends TreeEntry {
  /** From the root, without slash at either end. Bytes as latin1. */
  readonly path: string;
  /** The directory that contains it. */
  readonly directory: CheckoutDirectory;
  /** The reader's number of its blob; `undefined` for directories and submodules. */
  readonly blob: number | undefined;
}

/**
 * Every entry below the root of a plan. Directories come before their content. Empty directories
 * are left out, as git's checkout makes none.
 *
 * @param builtIn the attributes without any `.gitattributes`.
 * @throws SnapshotError as `readTree`.
 */
export function* walkCheckout(
  reader: ObjectReader,
  plan: CheckoutPlan,
  builtIn = AttributeRules.builtIn(),
): Generator<CheckoutEntry> {
  const open = (oid: string, path: string, parent: CheckoutDirectory | AttributeRules) => {
    const { attributes, firstBlob = 0 } = plan.trees.get(oid) ?? {};
    const directory = new CheckoutDirectory(path, parent, attributes);
    return { directory, entries: parseTree(readTree(reader, oid)), nextBlob: firstBlob };
  };
  const way = [open(plan.root, '', builtIn)];
  for (let last = way.at(-1); last !== undefined; last = way.at(-1)) {
    const next = last.entries.next();
    if (next.done === true) {
      way.pop();
      continue;
    }
    const { name, kind, executable, oid } = next.value;
    const isDirectory = kind === 'directory';
    if (isDirectory && plan.trees.get(oid)?.files === 0) continue;
    const { directory } = last;
    const path = directory.path + name;
    const hasBlob = kind === 'file' || kind === 'symlink';
    const blob = hasBlob ? plan.blobs.at(last.nextBlob++) : undefined;
    yield { name, kind, executable, oid, path, directory, blob };
    if (isDirectory) way.push(open(oid, `${path}/`, directory));
  }
}

/**
 * The bytes of a tree, sorted in the order of the index.
 *
 * @throws SnapshotError `UPSTREAM_INVALID` when it is missing, malformed or no tree; as
 * `ObjectReader.read`.
 */
export function readTree(reader: ObjectReader, oid: string): Buffer {
  const { type, data } = reader.read(oid);
  if (type !== ObjectType.tree) throw new SnapshotError('UPSTREAM_INVALID', `${oid} is no tree`);
  return inIndexOrder(data);
}

/** A directory of a checkout, and the attributes that apply in it. */
export class CheckoutDirectory {
  /** From the root, with a slash at its end; empty for the root. Bytes as latin1. */
  readonly path: string;
  readonly #parent: CheckoutDirectory | AttributeRules;
  readonly #attributes: string | undefined;
  #rules: AttributeRules | undefined;

  /** @param attributes the object of its `.gitattributes`. */
  constructor(
    path: string,
    parent: CheckoutDirectory | AttributeRules,
    attributes: string | undefined,
  ) {
    this.path = path;
    this.#parent = parent;
    this.#attributes = attributes;
  }

  /** @throws SnapshotError as `AttributeRules.child` and `readBlob`. */
  rules(reader: ObjectReader): AttributeRules {
    this.#rules ??= this.#read(reader);
    return this.#rules;
  }

  #read(reader: ObjectReader): AttributeRules {
    const parent = this.#parent;
    const inherited = parent instanceof AttributeRules ? parent : parent.rules(reader);
    if (this.#attributes === undefined) return inherited;
    return inherited.child(this.path, readBlob(reader, this.#attributes));
  }
}

import { SnapshotError } from '../errors.js';
import type { Limits } from '../options.js';
import type { LocatedObject, ObjectReader } from '../pack/reader.js';
import { AttributeRules } from './attributes.js';
import { readBlob } from './blob.js';
import type { CachedTree } from './git-index.js';
import { type CheckoutEntry, walkTree } from './tree-walk.js';

/*
 * What a checkout will hold, found before the first byte of a snapshot is written: a client can still
 * be told why there is none. Only what takes reading every file is left to be found later.
 */

export type PlannedEntry =
  | (CheckoutEntry & { readonly kind: 'directory' | 'gitlink' })
  | (CheckoutEntry & { readonly kind: 'file'; readonly located: LocatedObject })
  | (CheckoutEntry & { readonly kind: 'symlink'; readonly target: Buffer });

export interface CheckoutPlan {
  /** In the order of git's index; directories before what is in them. */
  readonly entries: readonly PlannedEntry[];
  /** As `walkTree` gives it. */
  readonly tree: CachedTree | undefined;
}

/** Longer targets can't be created, by git's checkout either. */
const MAX_LINK_BYTES = 4095;

/**
 * @throws SnapshotError as `walkTree`; `REPOSITORY_INVALID` for symlinks that can't be, and
 * `UPSTREAM_INVALID` for missing objects; `LIMIT_EXCEEDED` when the blobs that are no deltas alone
 * exceed `maxCheckoutBytes`.
 */
export function planCheckout(reader: ObjectReader, tree: string, limits: Limits): CheckoutPlan {
  const entries: PlannedEntry[] = [];
  let bytes = 0;
  const cached = walkTree(reader, tree, AttributeRules.builtIn, limits.maxFiles, (entry) => {
    const { name, kind, executable, oid, path, rules } = entry;
    if (kind === 'directory' || kind === 'gitlink') {
      entries.push({ ...entry, kind });
      return;
    }
    const located = reader.locate(oid);
    if (located === undefined) throw new SnapshotError('UPSTREAM_INVALID', `${oid} is missing`);
    if (kind === 'symlink') {
      entries.push({ ...entry, kind, target: readTarget(reader, entry, located) });
      return;
    }
    bytes += located.wholeSize ?? 0;
    checkSize(bytes, limits);
    entries.push({ name, kind, executable, oid, path, rules, located });
  });
  return { entries, tree: cached };
}

/** @throws SnapshotError `LIMIT_EXCEEDED` */
export function checkSize(checkoutBytes: number, { maxCheckoutBytes }: Limits): void {
  if (checkoutBytes > maxCheckoutBytes) {
    throw new SnapshotError('LIMIT_EXCEEDED', 'the checkout is larger than maxCheckoutBytes');
  }
}

function readTarget(reader: ObjectReader, { oid, path }: CheckoutEntry, at: LocatedObject): Buffer {
  const impossible = () => {
    const shown = JSON.stringify(Buffer.from(path, 'latin1').toString());
    return new SnapshotError('REPOSITORY_INVALID', `the symlink ${shown} has no possible target`);
  };
  if ((at.wholeSize ?? 0) > MAX_LINK_BYTES) throw impossible();
  const target = readBlob(reader, oid, at);
  if (target.length === 0 || target.length > MAX_LINK_BYTES || target.includes(0)) {
    throw impossible();
  }
  return Buffer.from(target);
}

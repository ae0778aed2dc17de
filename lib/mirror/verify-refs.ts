import { SnapshotError } from '../errors.js';
import { parseCommit } from '../git/commit.js';
import { ObjectType } from '../git/object.js';
import type { Head, Ref } from '../git/refs.js';
import { parseTagTarget } from '../git/tag.js';
import type { ObjectReader } from '../pack/reader.js';

/**
 * Checks that HEAD is at a commit with a tree and that every ref names an object that is there, and
 * finds what annotated tags name.
 *
 * @param advertised full name → id.
 * @param known refs that were checked before: what they name is there.
 * @throws SnapshotError `UPSTREAM_INVALID`.
 */
export function verifyRefs(
  reader: ObjectReader,
  head: Head,
  advertised: ReadonlyMap<string, string>,
  known: Iterable<Ref> = [],
): Ref[] {
  if (head.oid !== undefined) {
    const commit = reader.read(head.oid);
    if (commit.type !== ObjectType.commit) {
      throw new SnapshotError('UPSTREAM_INVALID', 'HEAD is not at a commit');
    }
    reader.read(parseCommit(commit.data).tree);
  }
  const peeled = new Map<string, string | undefined>();
  for (const ref of known) peeled.set(ref.oid, ref.peeled);
  return Array.from(advertised, ([name, oid]) => {
    if (!peeled.has(oid)) peel(reader, oid, peeled);
    return { name, oid, peeled: peeled.get(oid) };
  });
}

/**
 * Finds what a chain of annotated tags finally names; `undefined` for an object that is no tag.
 *
 * @param known what is known of others, so that no chain is followed twice; gets what was found.
 */
function peel(reader: ObjectReader, oid: string, known: Map<string, string | undefined>): void {
  const chain: string[] = [];
  let target = oid;
  while (!known.has(target) && reader.typeOf(target) === ObjectType.tag) {
    chain.push(target);
    target = parseTagTarget(reader.read(target).data);
  }
  const peeled = known.get(target) ?? target;
  if (chain.length === 0) known.set(oid, undefined);
  for (const tag of chain) known.set(tag, peeled);
}

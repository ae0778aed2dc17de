import { SnapshotError } from '../../errors.js';
import { parseCommit, parseTagTarget } from '../../git/commit.js';
import { ObjectType } from '../../git/object.js';
import { RefList } from '../../git/ref-list.js';
import type { Head, Ref } from '../../git/refs.js';
import { ObjectSet } from '../../pack/object-set.js';
import { inPackOrder } from '../../pack/pack-order.js';
import type { ObjectReader } from '../../pack/reader.js';

/**
 * Checks that HEAD is a commit with a tree, and that every ref names an object that exists.
 *
 * @param known refs that were checked before.
 * @returns the advertised refs, with the peeled ids of annotated tags.
 * @throws SnapshotError `UPSTREAM_INVALID`.
 */
export function verifyRefs(
  reader: ObjectReader,
  head: Head,
  advertised: RefList,
  known: RefList = RefList.of([]),
): RefList {
  if (head.oid !== undefined) {
    const commit = reader.read(head.oid);
    if (commit.type !== ObjectType.commit) {
      throw new SnapshotError('UPSTREAM_INVALID', 'HEAD is not at a commit');
    }
    reader.read(parseCommit(commit.data).tree.toString('hex'));
  }
  return RefList.of(peeled(reader, advertised, known), 2 * advertised.packed.length);
}

function* peeled(reader: ObjectReader, advertised: RefList, known: RefList): Generator<Ref> {
  const peel = tagPeeler(reader, advertised.notIn(known));
  for (const [{ name, oid }, same] of advertised.beside(known)) {
    yield same ?? { name, oid, peeled: peel(oid) };
  }
}

/**
 * Returns a function that gives the id at the end of a chain of tags; `undefined` for an object
 * that is not a tag. Memory: a bit per object, and an id per tag.
 */
function tagPeeler(reader: ObjectReader, refs: Iterable<Ref>): (oid: string) => string | undefined {
  const numberOf = (oid: string) => reader.requireNumber(Buffer.from(oid, 'hex'));
  const named = new ObjectSet(reader.objectCount);
  for (const { oid } of refs) named.add(numberOf(oid));
  const others = new ObjectSet(reader.objectCount);
  // In pack order: any other order takes far longer.
  for (const number of inPackOrder(reader.packs, named)) {
    if (reader.typeOfNumber(number) !== ObjectType.tag) others.add(number);
  }
  const isTag = (number: number) =>
    !others.has(number) && reader.typeOfNumber(number) === ObjectType.tag;
  /** Number of a tag → id at the end of its chain. No chain is followed twice. */
  const ends = new Map<number, string>();
  return (oid) => {
    const chain: number[] = [];
    let target = oid;
    // The chain ends: a circle would need a hash collision.
    for (let tag = numberOf(oid); isTag(tag); tag = numberOf(target)) {
      const end = ends.get(tag);
      target = end ?? parseTagTarget(reader.read(target).data);
      if (end !== undefined) break;
      chain.push(tag);
    }
    for (const tag of chain) ends.set(tag, target);
    return target === oid ? undefined : target;
  };
}

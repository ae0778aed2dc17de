import { SnapshotError } from '../../errors.js';
import { parseCommit, parseTagTarget } from '../../git/commit.js';
import { ObjectType } from '../../git/object.js';
import { RefList } from '../../git/ref-list.js';
import type { Head, Ref } from '../../git/refs.js';
import { ObjectSet } from '../../pack/object-set.js';
import { inPackOrder } from '../../pack/pack-order.js';
import type { ObjectReader } from '../../pack/reader.js';

/**
 * Checks that HEAD is a commit with a tree, and that every ref names an object that exists. Peels
 * annotated tags.
 *
 * @param known refs that were checked before.
 * @returns the advertised refs, with their peeled ids.
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
  const tags = new TagPeeler(reader);
  tags.findTags(advertised.notIn(known));
  for (const [{ name, oid }, same] of advertised.beside(known)) {
    yield same ?? { name, oid, peeled: tags.peel(oid) };
  }
}

/** Follows annotated tags. Memory: a bit per object, and an id per tag. */
class TagPeeler {
  readonly #reader: ObjectReader;
  /** Numbers of objects that are not tags. */
  readonly #others: ObjectSet;
  /** Number of a tag → id that it is peeled to. No chain is followed twice. */
  readonly #found = new Map<number, string>();

  constructor(reader: ObjectReader) {
    this.#reader = reader;
    this.#others = new ObjectSet(reader.objectCount);
  }

  /** Finds out which objects are tags, in pack order: any other order takes far longer. */
  findTags(refs: Iterable<Ref>): void {
    const numbers = new ObjectSet(this.#reader.objectCount);
    for (const { oid } of refs) numbers.add(this.#reader.requireNumber(Buffer.from(oid, 'hex')));
    for (const number of inPackOrder(this.#reader.packs, numbers)) {
      if (this.#reader.typeOfNumber(number) !== ObjectType.tag) this.#others.add(number);
    }
  }

  /** The id at the end of a chain of tags; `undefined` for an object that is not a tag. */
  peel(oid: string): string | undefined {
    const chain: number[] = [];
    let target = oid;
    for (;;) {
      const number = this.#reader.requireNumber(Buffer.from(target, 'hex'));
      const found = this.#found.get(number);
      if (found !== undefined) {
        target = found;
        break;
      }
      if (this.#others.has(number)) break;
      if (this.#reader.typeOfNumber(number) !== ObjectType.tag) break;
      // The chain ends: a circle would need a hash collision.
      chain.push(number);
      target = parseTagTarget(this.#reader.read(target).data);
    }
    for (const tag of chain) this.#found.set(tag, target);
    return target === oid ? undefined : target;
  }
}

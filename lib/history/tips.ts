import { parseTagTarget } from '../git/commit.js';
import { ObjectType } from '../git/object.js';
import { ObjectSet } from '../pack/object-set.js';
import { inPackOrder } from '../pack/pack-order.js';
import type { ObjectReader } from '../pack/reader.js';

/** More tips are read in the order of the packs: any other order takes far longer. */
const FEW = 1000;

/** Numbers of the objects that refs name, each once. */
export interface Tips {
  readonly commits: readonly number[];
  readonly trees: readonly number[];
  readonly blobs: readonly number[];
  /** The annotated tags that lead to them. */
  readonly tags: readonly number[];
}

/**
 * Follows annotated tags to the objects at the end of each chain.
 *
 * @param oids 40 hex digits each.
 * @throws SnapshotError `UPSTREAM_INVALID` when an object is missing or a tag is malformed.
 */
export function resolveTips(reader: ObjectReader, oids: Iterable<string>): Tips {
  const byType: Record<ObjectType, number[]> = { 1: [], 2: [], 3: [], 4: [] };
  const named = new ObjectSet(reader.objectCount);
  const inOrder: number[] = [];
  for (const oid of oids) {
    const number = reader.requireNumber(Buffer.from(oid, 'hex'));
    if (named.add(number) && named.size <= FEW) inOrder.push(number);
  }
  const seen = new ObjectSet(reader.objectCount);
  for (const start of named.size <= FEW ? inOrder : inPackOrder(reader.packs, named)) {
    let number = start;
    while (seen.add(number)) {
      const type = reader.typeOfNumber(number);
      byType[type].push(number);
      if (type !== ObjectType.tag) break;
      const target = parseTagTarget(reader.readNumber(number).data);
      number = reader.requireNumber(Buffer.from(target, 'hex'));
    }
  }
  return { commits: byType[1], trees: byType[2], blobs: byType[3], tags: byType[4] };
}

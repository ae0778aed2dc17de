import { parseTagTarget } from '../git/commit.js';
import { ObjectType } from '../git/object.js';
import { RefList } from '../git/ref-list.js';
import type { Ref } from '../git/refs.js';
import { reachableObjects } from '../history/reachable-objects.js';
import type { IngestedPack } from '../pack/ingest.js';
import type { ObjectSet } from '../pack/object-set.js';
import type { ObjectReader } from '../pack/reader.js';
import { type WritePackContext, writePack } from '../pack/write-pack.js';

/** A pack with a part of the history. */
export interface ShallowPack {
  readonly pack: IngestedPack;
  /** Commits whose parents the pack lacks: the lines of `.git/shallow`. */
  readonly shallow: readonly string[];
  /** The refs whose object, peeled, is in the pack. */
  readonly refs: RefList;
}

/**
 * Writes a pack of the latest commits of a history, with their trees and blobs, and annotated tags of these
 * commits, as an upstream sends them with `include-tag`.
 *
 * @param depth commits, from 1 on.
 */
export async function writeShallowPack(
  reader: ObjectReader,
  tip: string,
  depth: number,
  refs: RefList,
  directory: string,
  context: WritePackContext,
): Promise<ShallowPack> {
  const { signal } = context;
  const { objects, shallow } = reachableObjects(reader, { include: [tip], depth, signal });
  const has = (oid: string) => {
    const number = reader.numberOf(oid);
    return number !== undefined && objects.has(number);
  };
  const included = RefList.of(filter(refs, ({ oid, peeled }) => has(peeled ?? oid)));
  for (const { oid, peeled } of included) if (peeled !== undefined) addTags(reader, oid, objects);
  const pack = await writePack(reader, objects, directory, context);
  return { pack, shallow, refs: included };
}

function* filter(refs: RefList, isIncluded: (ref: Ref) => boolean): Generator<Ref> {
  for (const ref of refs) if (isIncluded(ref)) yield ref;
}

/** Adds an annotated tag, and the tags that it leads to. */
function addTags(reader: ObjectReader, tag: string, objects: ObjectSet): void {
  for (let oid = tag; reader.typeOf(oid) === ObjectType.tag; ) {
    const number = reader.numberOf(oid);
    // The chain was followed before, or its next object is missing.
    if (number === undefined || !objects.add(number)) return;
    oid = parseTagTarget(reader.read(oid).data);
  }
}

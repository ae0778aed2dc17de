import { ObjectType } from '../git/object.js';
import { RefList } from '../git/ref-list.js';
import type { Ref } from '../git/refs.js';
import { parseTagTarget } from '../git/tag.js';
import { reachableObjects } from '../history/reachable-objects.js';
import type { IngestedPack } from '../pack/ingest.js';
import type { ObjectSet } from '../pack/object-set.js';
import type { ObjectReader } from '../pack/reader.js';
import { type WritePackContext, writePack } from '../pack/write-pack.js';

/** A history that was cut off. */
export interface ShallowPack {
  readonly pack: IngestedPack;
  /** Commits whose parents were left out: the lines of `.git/shallow`. */
  readonly shallow: readonly string[];
  /** Of the refs that were given: those whose object, or what that finally names, is in the pack. */
  readonly refs: RefList;
}

/**
 * Writes a pack of the latest commits of a history, with all that they need. Annotated tags of these
 * come along, as an upstream sends them when it is asked to include tags.
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
  const included = RefList.of(ofThese(refs, ({ oid, peeled }) => has(peeled ?? oid)));
  for (const { oid, peeled } of included) if (peeled !== undefined) addTags(reader, oid, objects);
  const pack = await writePack(reader, objects, directory, context);
  return { pack, shallow, refs: included };
}

function* ofThese(refs: RefList, isIncluded: (ref: Ref) => boolean): Generator<Ref> {
  for (const ref of refs) if (isIncluded(ref)) yield ref;
}

/** Adds an annotated tag, the one that it may name, and so on. */
function addTags(reader: ObjectReader, tag: string, objects: ObjectSet): void {
  for (let oid = tag; reader.typeOf(oid) === ObjectType.tag; ) {
    const number = reader.numberOf(oid);
    // A chain that was followed before, or goes on where there is nothing.
    if (number === undefined || !objects.add(number)) return;
    oid = parseTagTarget(reader.read(oid).data);
  }
}

import { RefList } from '../git/ref-list.js';
import type { Ref } from '../git/refs.js';
import { reachableObjects } from '../history/reachable-objects.js';
import { resolveTips } from '../history/tips.js';
import type { IngestedPack } from '../pack/ingest.js';
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
 * Writes a pack of the latest commits of a history, with their trees and blobs, and annotated tags
 * of these commits, as an upstream sends them with `include-tag`.
 *
 * @param depth how many commits: 1 or more.
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
  function* kept(): Generator<Ref> {
    for (const ref of refs) if (has(ref.peeled ?? ref.oid)) yield ref;
  }
  const included = RefList.of(kept());
  for (const number of resolveTips(reader, included.oids()).tags) objects.add(number);
  const pack = await writePack(reader, objects, directory, context);
  return { pack, shallow, refs: included };
}

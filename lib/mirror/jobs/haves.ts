import { parseCommit } from '../../git/commit.js';
import { ObjectType } from '../../git/object.js';
import type { RefList } from '../../git/ref-list.js';
import type { Head } from '../../git/refs.js';
import type { ObjectReader } from '../../pack/reader.js';

/** Each have is a line of 50 bytes, and the upstream looks it up. */
export const MAX_HAVES = 1000;
/** This many of the moved branches also get ancestors. */
const MAX_MOVED = 32;
/** Distances of ancestors double this often. */
const STEPS = 10;

/**
 * Chooses the haves of a fetch, so that the upstream sends few objects: HEAD, the tips that moved,
 * then all other tips. After a forced push, the upstream may lack the old tip, but it nearly always
 * has some ancestors of it: so there are also ancestors at distances of 1, 2, 4 and so on.
 *
 * @param head the mirror's, if known.
 * @param known the mirror's refs.
 */
export function chooseHaves(
  reader: ObjectReader,
  head: Head | undefined,
  known: RefList,
  advertised: RefList,
): string[] {
  const haves = new Set<string>();
  if (head?.oid !== undefined) haves.add(head.oid);
  let moved = 0;
  for (const { oid, peeled } of known.notIn(advertised)) {
    if (moved++ === MAX_MOVED) break;
    for (const ancestor of ancestors(reader, peeled ?? oid)) haves.add(ancestor);
  }
  for (const refs of [known.notIn(advertised), known]) {
    for (const { oid, peeled } of refs) {
      if (haves.size >= MAX_HAVES) break;
      haves.add(peeled ?? oid);
    }
  }
  return [...haves].slice(0, MAX_HAVES);
}

/** A commit and some of its ancestors, along first parents. */
function ancestors(reader: ObjectReader, tip: string): string[] {
  const found: string[] = [];
  let at: string | undefined = tip;
  for (let distance = 0; distance <= 2 ** STEPS && at !== undefined; distance++) {
    if (distance === 0 || Number.isInteger(Math.log2(distance))) found.push(at);
    if (reader.typeOf(at) !== ObjectType.commit) return [];
    at = parseCommit(reader.read(at).data).parents[0]?.toString('hex');
  }
  return found;
}

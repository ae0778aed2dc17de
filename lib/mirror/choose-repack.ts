import { type MirrorRevision, packsOf } from './disk/revision.js';
import type { ConsolidateTask } from './jobs/repack.js';

/** More packs than this are put together. */
const MAX_PACKS = 12;
/** A mirror with so many packs takes no new one before that was done. */
export const FULL_PACKS = 18;
/** Of commits that were asked for by their id. */
const MAX_PINNED_PACKS = 6;
/** Mirrors up to this many bytes are tidied at once: it takes no longer than a fetch. */
export const SMALL_BYTES = 64 * 1024 * 1024;
/** Milliseconds for which larger ones keep what no ref leads to any more. */
export const KEEP_GARBAGE = 6 * 60 * 60_000;

export interface SizedPack {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
}

/** Whether a mirror takes no new pack before packs were put together. */
export function isFull(revision: Pick<MirrorRevision, 'packs' | 'pinned'>): boolean {
  return packsOf(revision).length >= FULL_PACKS;
}

/**
 * What is to be done about the packs of a mirror; `undefined` when that is nothing.
 *
 * @param maxBytes of one pack.
 * @param now milliseconds since the epoch.
 */
export function chooseTask(
  { pinned, garbageSince }: Pick<MirrorRevision, 'pinned' | 'garbageSince'>,
  packs: readonly SizedPack[],
  maxBytes: number,
  now: number,
): ConsolidateTask['packs'] | undefined {
  const bytes = packs.reduce((sum, { size }) => sum + size, 0);
  if (garbageSince !== undefined && bytes <= maxBytes) {
    if (bytes <= SMALL_BYTES || now - garbageSince > KEEP_GARBAGE) return 'reachable';
  }
  if (packs.length > MAX_PACKS) {
    const combined = packsToCombine(packs, maxBytes);
    if (combined.length > 0) return combined;
  }
  return pinned.packs.length > MAX_PINNED_PACKS ? 'pinned' : undefined;
}

/**
 * Which packs to put together, so that few are left and large ones are seldom written again: the
 * smallest ones, up to where each of the others is at least twice as large as all that are smaller, as
 * `git repack --geometric=2` does. Each byte is written again at most once each time that the mirror
 * doubles.
 *
 * @param maxBytes of all together.
 * @returns at least two, or none.
 */
export function packsToCombine(packs: readonly SizedPack[], maxBytes: number): string[] {
  const ascending = [...packs].sort((a, b) => a.size - b.size);
  const smaller: number[] = [];
  let sum = 0;
  for (const { size } of ascending) {
    smaller.push(sum);
    sum += size;
  }
  let kept = ascending.length;
  while (kept > 0 && (ascending[kept - 1]?.size ?? 0) >= 2 * (smaller[kept - 1] ?? 0)) kept--;
  if (kept === 0 && packs.length >= FULL_PACKS) kept = ascending.length - 1;
  while (kept > 0 && (smaller[kept - 1] ?? 0) + (ascending[kept - 1]?.size ?? 0) > maxBytes) kept--;
  const combined = ascending.slice(0, kept);
  return combined.length > 1 ? combined.map(({ name }) => name) : [];
}

import type { IngestedPack } from '../pack/ingest.js';
import { type MirrorRevision, packsOf, type RevisionContent } from './disk/revision.js';
import type { RepackResult, RepackSelection } from './jobs/repack.js';

/** A mirror with more packs than this is repacked. */
const MAX_PACKS = 12;
/** A mirror with this many packs, pinned ones included, is repacked before it gets a new one. */
export const FULL_PACKS = 18;
/** The same as `MAX_PACKS`, for packs of commits that clients requested by id. */
const MAX_PINNED_PACKS = 6;
/** Mirrors up to this many bytes are repacked at once: that takes no longer than a fetch. */
export const SMALL_BYTES = 64 * 1024 * 1024;
/** Milliseconds after which unreachable objects of a larger mirror are pruned. */
export const PRUNE_AFTER = 6 * 60 * 60_000;

export interface SizedPack {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
}

/** Chooses the packs of a mirror to repack. @param packs all packs of the refs. */
export function chooseRepack(
  { pinned, garbageSince }: Pick<MirrorRevision, 'pinned' | 'garbageSince'>,
  packs: readonly SizedPack[],
  maxPackBytes: number,
  date: number,
): RepackSelection | undefined {
  const bytes = packs.reduce((sum, { size }) => sum + size, 0);
  if (garbageSince !== undefined && bytes <= maxPackBytes) {
    if (bytes <= SMALL_BYTES || date - garbageSince > PRUNE_AFTER) return 'reachable';
  }
  if (packs.length > MAX_PACKS) {
    const combined = packsToCombine(packs, maxPackBytes);
    if (combined.length > 0) return combined;
  }
  return pinned.packs.length > MAX_PINNED_PACKS ? 'pinned' : undefined;
}

/**
 * Chooses the smallest packs to combine, as `git repack --geometric=2`: then each pack is at least
 * twice as large as all smaller ones together. Each byte is rewritten at most once each time the
 * mirror doubles.
 *
 * @returns names of at least two packs, or none.
 */
export function packsToCombine(packs: readonly SizedPack[], maxPackBytes: number): string[] {
  let sum = 0;
  const ascending = [...packs]
    .sort((a, b) => a.size - b.size)
    .map(({ name, size }) => {
      const smaller = sum;
      sum += size;
      return { name, size, smaller };
    });
  let count = ascending.findLastIndex(({ size, smaller }) => size < 2 * smaller) + 1;
  if (count === 0 && packs.length >= FULL_PACKS) count = packs.length - 1;
  const candidates = ascending.slice(0, count);
  const last = candidates.findLastIndex(({ size, smaller }) => smaller + size <= maxPackBytes);
  return last < 1 ? [] : candidates.slice(0, last + 1).map(({ name }) => name);
}

/** Names of the packs whose objects a repack reads. */
export function packsToRead(revision: MirrorRevision, selection: RepackSelection) {
  if (selection === 'reachable') return packsOf(revision);
  return selection === 'pinned' ? revision.pinned.packs : selection;
}

/**
 * Replaces packs of the current revision by the result of a repack of an earlier one; `undefined`
 * when other packs were replaced meanwhile, or refs have moved.
 */
export function replacePacks(
  current: MirrorRevision,
  earlier: MirrorRevision,
  selection: RepackSelection,
  { combined, pinned }: RepackResult,
): RevisionContent | undefined {
  if (current.clone !== earlier.clone) return undefined;
  if (selection !== 'reachable' && selection !== 'pinned') {
    if (!includesAll(current.packs, selection)) return undefined;
    return { ...current, packs: [...without(current.packs, selection), ...namesOf(combined)] };
  }
  const isSame =
    current.prunings === earlier.prunings &&
    current.digest === earlier.digest &&
    current.pinned.commits.join() === earlier.pinned.commits.join() &&
    includesAll(current.packs, earlier.packs);
  if (!isSame) return undefined;
  const next = { ...current, pinned: { ...current.pinned, packs: namesOf(pinned) } };
  if (selection === 'pinned') return next;
  const later = without(current.packs, earlier.packs);
  return {
    ...next,
    packs: [...namesOf(combined), ...later],
    garbageSince: undefined,
    prunings: current.prunings + 1,
    isConnected: true,
  };
}

function includesAll(names: readonly string[], others: readonly string[]): boolean {
  return others.every((name) => names.includes(name));
}

function without(names: readonly string[], others: readonly string[]): string[] {
  return names.filter((name) => !others.includes(name));
}

function namesOf(packs: readonly IngestedPack[]): string[] {
  return packs.map(({ name }) => name);
}

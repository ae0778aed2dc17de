import type { Priority } from './store.js';

/** A stored object, as far as eviction is concerned. */
export interface Occupant {
  /** Including key and metadata. */
  readonly bytes: number;
  readonly priority: Priority;
}

/**
 * Selects the objects that may be evicted for a newcomer, in the given order. Returns `undefined`
 * if evicting all of them would not free enough bytes: then no object need be evicted.
 *
 * @param stored the least recently used first.
 * @param excess how many bytes must be evicted.
 */
export function evictable<Stored extends Occupant>(
  stored: readonly Stored[],
  excess: number,
  newcomer: { readonly priority: Priority },
): Stored[] | undefined {
  const isLow = ({ priority }: Occupant) => priority === 'low';
  const candidates = newcomer.priority === 'low' ? stored.filter(isLow) : [...stored];
  return totalBytes(candidates) < excess ? undefined : candidates;
}

export function totalBytes(stored: readonly Occupant[]): number {
  return stored.reduce((total, { bytes }) => total + bytes, 0);
}

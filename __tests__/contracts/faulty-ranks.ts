import type { StoredObject } from '../../lib/stores/store.js';
import type { StoreFault } from './store-faults.js';

export interface Ranked {
  readonly object: StoredObject;
  /** The rank that the key had first. */
  readonly first: boolean;
}

/** The rank that a store with a fault stores. */
export function keptRank(
  old: Ranked | undefined,
  expendable: boolean,
  fault: StoreFault | undefined,
): boolean {
  if (fault === 'takes every object for expendable') return true;
  if (fault === 'forgets ranks') return false;
  return fault === 'keeps the rank of the first revision' && old ? old.first : expendable;
}

/** Whether it drops an object to make room for another. */
export function mayGo(
  { object, first }: Ranked,
  newcomer: StoredObject,
  fault: StoreFault | undefined,
): boolean {
  const anything = fault === 'makes room whatever the rank' || !newcomer.expendable;
  if (fault === 'makes room by the first rank of a key') return anything || first;
  if (fault === 'makes room by expendable objects only') return object.expendable;
  return anything || object.expendable;
}

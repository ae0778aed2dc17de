import type { Priority, StoredObject } from '../../lib/stores/store.js';
import type { StoreFault } from './store-faults.js';

export interface Ranked {
  readonly object: StoredObject;
  /** The priority that the key had first. */
  readonly first: Priority;
}

/** The priority that a store with a fault stores. */
export function keptPriority(
  old: Ranked | undefined,
  priority: Priority,
  fault: StoreFault | undefined,
): Priority {
  if (fault === 'gives every object low priority') return 'low';
  if (fault === 'forgets priorities') return 'normal';
  return fault === 'keeps the priority of the first revision' && old ? old.first : priority;
}

/** Whether it drops an object to make room for another. */
export function mayGo(
  { object, first }: Ranked,
  newcomer: StoredObject,
  fault: StoreFault | undefined,
): boolean {
  const anything = fault === 'makes room whatever the priority' || newcomer.priority === 'normal';
  if (fault === 'makes room by the first priority of a key') return anything || first === 'low';
  const isLow = object.priority === 'low';
  return fault === 'makes room by objects of low priority only' ? isLow : anything || isLow;
}

import { LRUCache } from 'lru-cache';

/** A map that keeps the `count` most recently used entries. */
export function recentlyUsed<Key extends {}, Value extends {}>(
  count: number,
): LRUCache<Key, Value> {
  // `max` would take the memory of all entries at the start: a service with eight such maps took milliseconds for it.
  return new LRUCache({ maxSize: count, sizeCalculation: () => 1 });
}

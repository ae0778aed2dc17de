import { LRUCache } from 'lru-cache';

/** A map that keeps the `count` most recently used entries. */
export function recentlyUsed<Key extends {}, Value extends {}>(
  count: number,
): LRUCache<Key, Value> {
  // `max` would take the memory of all entries at the start: 13 ms for the maps of a service, one of 100,000 entries.
  return new LRUCache({ maxSize: count, sizeCalculation: () => 1 });
}

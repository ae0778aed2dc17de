import { randomUUID } from 'node:crypto';
import type { StoredObject } from './store.js';

/** The part of a description that is new in each version of an object. */
export function newVersion(): Pick<StoredObject, 'revision' | 'storedAt'> {
  return { revision: randomUUID(), storedAt: Date.now() };
}

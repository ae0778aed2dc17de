import { SnapshotError } from '../errors.js';
import type { Metadata, StoredObject } from './store.js';

/*
 * Checks of the JSON that stores keep beside an object's bytes: other programs may have written it.
 */

/** The most bytes of a description that follows an object's bytes. */
export const MAX_TRAILER_BYTES = 1024 * 1024;

/** @throws SnapshotError `STORE_FAILED` when key and metadata take more than 1 MiB. */
export function checkTrailer(json: Buffer): void {
  if (json.length <= MAX_TRAILER_BYTES) return;
  throw new SnapshotError('STORE_FAILED', `${json.length} bytes of metadata are too many`);
}

/** `undefined` if the text is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

export function isMetadata(value: unknown): value is Metadata {
  return isRecord(value) && Object.values(value).every((text) => typeof text === 'string');
}

/** Whether a value describes a stored object. Does not check its size. */
export function isDescription<T>(value: T): value is T & Omit<StoredObject, 'size'> {
  return (
    isRecord(value) &&
    typeof value.key === 'string' &&
    typeof value.revision === 'string' &&
    typeof value.storedAt === 'number' &&
    [undefined, 'normal', 'low'].some((priority) => value.priority === priority) &&
    isMetadata(value.metadata)
  );
}

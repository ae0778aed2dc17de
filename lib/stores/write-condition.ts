import { SnapshotError } from '../errors.js';
import type { CreateOptions, ObjectWriter, SnapshotStore, StoredObject } from './store.js';

/** That a write was to replace something else than what is stored. */
export function refusal(key: string, cause?: unknown): SnapshotError {
  const message = `something else is stored under ${key} than was to be replaced`;
  return new SnapshotError('PRECONDITION_FAILED', message, { cause });
}

export function isRefusal(error: unknown): error is SnapshotError {
  return error instanceof SnapshotError && error.code === 'PRECONDITION_FAILED';
}

/** Whether a write may take the place of what is stored. */
export function mayReplace(
  stored: StoredObject | undefined,
  replaces: CreateOptions['replaces'],
): boolean {
  return replaces === undefined || replaces === (stored?.revision ?? null);
}

/**
 * Makes the commit of a write look first at what it would take the place of, in a store that does not do so
 * by itself. That leaves a moment in which something else may be stored, but not the time that the write took.
 */
export function lookingFirst(
  store: SnapshotStore,
  key: string,
  { replaces, signal }: CreateOptions,
  writer: ObjectWriter,
): ObjectWriter {
  if (store.abilities.writesConditionally || replaces === undefined) return writer;
  return {
    write: (chunk) => writer.write(chunk),
    abort: () => writer.abort(),
    commit: async () => {
      if (!mayReplace(await store.stat(key, { signal }), replaces)) throw refusal(key);
      return await writer.commit();
    },
  };
}

import type { CreateOptions, ObjectWriter, SnapshotStore, StoredObject } from './store.js';
import { isConditionMet, preconditionFailure } from './write-condition.js';

/*
 * An optional ability counts only if the store both declares it and has its method. Callers ask
 * here.
 */

/** The store's `adopt`, if it adopts files. */
export function adoptMethod(store: SnapshotStore): NonNullable<SnapshotStore['adopt']> | undefined {
  return store.abilities.adoptsFiles ? store.adopt?.bind(store) : undefined;
}

/** The replaced versions of a stored object, the latest first; none if the store keeps none. */
export async function replacedVersions(
  store: SnapshotStore,
  key: string,
  options: { readonly signal?: AbortSignal | undefined },
): Promise<readonly StoredObject[]> {
  if (store.abilities.keepsReplaced !== true) return [];
  return (await store.replaced?.(key, options)) ?? [];
}

/**
 * For a store that does not write conditionally: makes `commit` check the condition first. Another
 * write may still commit between the check and the commit, but not unseen during the whole write.
 */
export function withConditionCheck(
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
      const stored = await store.stat(key, { signal });
      if (!isConditionMet(stored, replaces)) throw preconditionFailure(key);
      return await writer.commit();
    },
  };
}

import type { CreateOptions, ObjectWriter, SnapshotStore, StoredObject } from './store.js';
import { isConditionMet, preconditionFailure } from './write-condition.js';

/*
 * An optional ability counts only if the store declares it and also has its method. Callers use the
 * functions below.
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
 * Checks the condition of a write for a store that does not write conditionally. Another write may
 * still come between this check and the write.
 *
 * @throws SnapshotError `PRECONDITION_FAILED`
 */
export async function checkCondition(
  store: SnapshotStore,
  key: string,
  { replaces, signal }: Pick<CreateOptions, 'replaces' | 'signal'>,
): Promise<void> {
  if (store.abilities.writesConditionally || replaces === undefined) return;
  if (!isConditionMet(await store.stat(key, { signal }), replaces)) throw preconditionFailure(key);
}

/** Makes `commit` check the condition first, as `checkCondition` does. */
export function withConditionCheck(
  store: SnapshotStore,
  key: string,
  options: CreateOptions,
  writer: ObjectWriter,
): ObjectWriter {
  return {
    write: (chunk) => writer.write(chunk),
    abort: () => writer.abort(),
    commit: async () => {
      await checkCondition(store, key, options);
      return await writer.commit();
    },
  };
}

import { SnapshotError } from '../errors.js';
import type { PutOptions, SnapshotStore, StoredObject, WriteCondition } from './store.js';

/** The error of a write whose condition does not hold. */
export function preconditionFailure(key: string, cause?: unknown): SnapshotError {
  const message = `something else is stored under ${key} than was to be replaced`;
  return new SnapshotError('PRECONDITION_FAILED', message, { cause });
}

export function isPreconditionFailure(error: unknown): error is SnapshotError {
  return SnapshotError.is(error, 'PRECONDITION_FAILED');
}

/** @param stored the object that is stored now, if there is one. */
export function isConditionMet(
  stored: StoredObject | undefined,
  condition: WriteCondition,
): boolean {
  return condition === undefined || condition === (stored?.revision ?? null);
}

type Condition = Pick<PutOptions, 'ifRevision' | 'signal'>;

/**
 * Checks the condition of a write for a store that does not write conditionally. Another write may
 * still come between this check and the write.
 *
 * @throws SnapshotError `PRECONDITION_FAILED`
 */
export async function checkCondition(
  store: SnapshotStore,
  key: string,
  { ifRevision, signal }: Condition,
): Promise<void> {
  if (store.writesConditionally === true || ifRevision === undefined) return;
  if (!isConditionMet(await store.stat(key, { signal }), ifRevision))
    throw preconditionFailure(key);
}

/** A body that checks the condition at its end, as `checkCondition` does. */
export async function* withConditionCheck(
  store: SnapshotStore,
  key: string,
  body: AsyncIterable<Uint8Array>,
  condition: Condition,
): AsyncGenerator<Uint8Array> {
  yield* body;
  await checkCondition(store, key, condition);
}

import { SnapshotError } from '../errors.js';
import type { StoredObject, WriteCondition } from './store.js';

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

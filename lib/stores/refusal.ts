import { SnapshotError } from '../errors.js';
import type { CreateOptions, StoredObject } from './store.js';

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

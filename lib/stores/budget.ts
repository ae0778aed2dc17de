import { SnapshotError } from '../errors.js';

/**
 * The byte budget that a store was given; 0 is legal: nothing is kept.
 *
 * @throws SnapshotError `INVALID_OPTIONS`
 */
export function parseBudget(maxBytes: number): number {
  if (Number.isSafeInteger(maxBytes) && maxBytes >= 0) return maxBytes;
  throw new SnapshotError('INVALID_OPTIONS', `maxBytes: ${maxBytes} is not a whole number ≥ 0`);
}

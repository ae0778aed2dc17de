import { SnapshotError } from '../errors.js';
import type { ExtractOptions } from './options.js';

export interface TreeLimits {
  /** Of the content of files and symlinks. */
  readonly maxBytes: number;
  /** Files, symlinks and directories. */
  readonly maxEntries: number;
}

/** @throws SnapshotError `INVALID_OPTIONS` */
export function parseLimits({
  maxBytes = 256 * 2 ** 30,
  maxEntries = 10_000_000,
}: Pick<ExtractOptions, 'maxBytes' | 'maxEntries'>): TreeLimits {
  const limits = { maxBytes, maxEntries };
  for (const [name, limit] of Object.entries(limits)) {
    if (Number.isSafeInteger(limit) && limit >= 0) continue;
    throw new SnapshotError('INVALID_OPTIONS', `${name} must be a whole number from 0`);
  }
  return limits;
}

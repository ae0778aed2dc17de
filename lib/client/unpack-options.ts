import { SnapshotError } from '../errors.js';
import type { ExtractOptions, OnUnsupported } from './options.js';

/** How a snapshot is unpacked: checked, with all defaults. */
export interface UnpackOptions {
  /** Of the content of files and symlinks. */
  readonly maxBytes: number;
  /** Files, symlinks and directories. */
  readonly maxEntries: number;
  readonly onUnsupported: OnUnsupported;
  /** Whether only `.git` is unpacked. */
  readonly onlyGit?: boolean;
}

/** @throws SnapshotError `INVALID_OPTIONS` */
export function parseUnpackOptions({
  maxBytes = 256 * 2 ** 30,
  maxEntries = 10_000_000,
  onUnsupported = 'fail',
}: Pick<ExtractOptions, 'maxBytes' | 'maxEntries' | 'onUnsupported'>): UnpackOptions {
  for (const [name, limit] of Object.entries({ maxBytes, maxEntries })) {
    if (Number.isSafeInteger(limit) && limit >= 0) continue;
    throw new SnapshotError('INVALID_OPTIONS', `${name} must be a whole number from 0`);
  }
  if (!['fail', 'skip'].includes(onUnsupported)) {
    throw new SnapshotError('INVALID_OPTIONS', "onUnsupported must be 'fail' or 'skip'");
  }
  return { maxBytes, maxEntries, onUnsupported };
}

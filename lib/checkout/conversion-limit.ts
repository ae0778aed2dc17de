import { SnapshotError } from '../errors.js';

/**
 * Called before memory for a converted file is allocated: attributes can make a small blob large,
 * `ident` up to twelve times.
 *
 * @throws SnapshotError `LIMIT_EXCEEDED`
 */
export function checkConvertedSize(bytes: number, maxBytes: number): void {
  if (bytes > maxBytes) {
    throw new SnapshotError(
      'LIMIT_EXCEEDED',
      `a file of ${bytes} bytes after conversion is larger than ${maxBytes}`,
    );
  }
}

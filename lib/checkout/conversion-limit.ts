import { SnapshotError } from '../errors.js';

/**
 * Called before room for a converted file is taken: attributes can make a small blob large, `ident`
 * up to twelve times, and it is held in memory.
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

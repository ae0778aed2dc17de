import { readSync } from 'node:fs';

/**
 * Fills `target` with the bytes of a file from `offset` on.
 *
 * @returns `false` when the file ends before.
 */
export function readFully(fd: number, target: Uint8Array, offset: number): boolean {
  for (let done = 0; done < target.length; ) {
    const got = readSync(fd, target, done, target.length - done, offset + done);
    if (got === 0) return false;
    done += got;
  }
  return true;
}

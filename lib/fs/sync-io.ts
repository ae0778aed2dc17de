import { readSync, writeSync } from 'node:fs';

/** Fills `target` with the bytes at `offset` of a file; `false` when the file ends too early. */
export function readFully(fd: number, target: Uint8Array, offset: number): boolean {
  for (let done = 0; done < target.length; ) {
    const got = readSync(fd, target, done, target.length - done, offset + done);
    if (got === 0) return false;
    done += got;
  }
  return true;
}

/** Writes all of `bytes` at the file's position: a single write may stop early. */
export function writeFully(fd: number, bytes: Uint8Array): void {
  for (let rest = bytes; rest.length > 0; ) rest = rest.subarray(writeSync(fd, rest));
}

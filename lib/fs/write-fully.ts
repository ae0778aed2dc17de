import { writeSync } from 'node:fs';

/** Writes all of `bytes` where the file's position is: one write may take only a part. */
export function writeFully(fd: number, bytes: Uint8Array): void {
  for (let rest = bytes; rest.length > 0; ) rest = rest.subarray(writeSync(fd, rest));
}

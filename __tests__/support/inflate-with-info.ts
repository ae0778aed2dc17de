import { inflateSync } from 'node:zlib';

/**
 * Inflates the stream at the start of some bytes, and says how many of them it takes. `info` is
 * documented by Node; its typings leave out what it returns.
 */
export const inflateWithInfo = inflateSync as unknown as (
  bytes: Uint8Array,
  options: { info: true },
) => { buffer: Buffer; engine: { bytesWritten: number } };

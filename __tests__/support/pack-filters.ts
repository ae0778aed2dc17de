import { setTimeout as delay } from 'node:timers/promises';
import type { PackFilter } from './pack-stream.js';

/** Bytes of the SHA-1 at the end of a pack. */
const TRAILER = 20;

/**
 * Sends `offset` bytes of the pack, then waits for `act`. When it resolves to false the pack ends
 * there, else it goes on. A pack that is shorter passes as it is.
 */
export function interruptAt(offset: number, act: () => Promise<boolean>): PackFilter {
  return async function* (pack) {
    let sent = 0;
    let due = true;
    for await (const chunk of pack) {
      const here = offset - sent;
      sent += chunk.length;
      if (!due || here > chunk.length) {
        yield chunk;
        continue;
      }
      due = false;
      if (here > 0) yield chunk.subarray(0, here);
      if (!(await act())) return;
      if (here < chunk.length) yield chunk.subarray(here);
    }
  };
}

/** Inverts the byte at `offset`. */
export function flipAt(offset: number): PackFilter {
  return async function* (pack) {
    let sent = 0;
    for await (const chunk of pack) {
      const at = offset - sent;
      sent += chunk.length;
      yield at >= 0 && at < chunk.length ? inverted(chunk, at, at + 1) : chunk;
    }
  };
}

/** Inverts the pack's checksum. */
export const wrongTrailer: PackFilter = async function* (pack) {
  let held = Buffer.alloc(0);
  for await (const chunk of pack) {
    const bytes = Buffer.concat([held, chunk]);
    const keep = Math.min(TRAILER, bytes.length);
    if (bytes.length > keep) yield bytes.subarray(0, bytes.length - keep);
    held = bytes.subarray(bytes.length - keep);
  }
  yield inverted(held, 0, held.length);
};

/** Sends more bytes after the pack, as if they belonged to it. */
export function append(bytes: Uint8Array): PackFilter {
  return async function* (pack) {
    yield* pack;
    yield Buffer.from(bytes);
  };
}

/** Limits the rate to so many bytes a second, in ten steps. */
export function slowDown(bytesPerSecond: number, signal: AbortSignal): PackFilter {
  const step = Math.max(1, Math.floor(bytesPerSecond / 10));
  return async function* (pack) {
    for await (const chunk of pack) {
      for (let at = 0; at < chunk.length; at += step) {
        yield chunk.subarray(at, at + step);
        await delay((1000 * step) / bytesPerSecond, undefined, { signal });
      }
    }
  };
}

function inverted(bytes: Buffer, start: number, end: number): Buffer {
  const copy = Buffer.from(bytes);
  for (let i = start; i < end; i++) copy.writeUInt8(copy.readUInt8(i) ^ 0xff, i);
  return copy;
}

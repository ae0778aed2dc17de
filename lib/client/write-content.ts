import type { FileHandle } from 'node:fs/promises';
import type { ByteReader } from '../archive/byte-reader.js';

/** A write has at least this size. */
const WRITE_BYTES = 1024 * 1024;

/** Writes a file's content as it arrives. @param size bytes to take from the reader. */
export async function writeContent(
  file: FileHandle,
  size: number,
  reader: ByteReader,
): Promise<void> {
  let writing: Promise<void> = Promise.resolve();
  try {
    for (let left = size; left > 0; ) {
      const { pieces, bytes } = await gather(reader, Math.min(left, WRITE_BYTES), left);
      left -= bytes;
      await writing;
      writing = writeAll(file, pieces, bytes);
      writing.catch(() => {}); // awaited when the next pieces have arrived
    }
    await writing;
  } finally {
    await Promise.allSettled([writing]);
  }
}

/** Takes at least `atLeast` bytes, at most `limit`, without copying them. */
async function gather(reader: ByteReader, atLeast: number, limit: number) {
  const pieces: Buffer[] = [];
  let bytes = 0;
  while (bytes < atLeast) {
    const piece = await reader.takeAvailable(limit - bytes);
    pieces.push(piece);
    bytes += piece.length;
  }
  return { pieces, bytes };
}

async function writeAll(file: FileHandle, pieces: Buffer[], bytes: number): Promise<void> {
  const { bytesWritten } = await file.writev(pieces);
  // If the disk is full, or a limit is reached, the next write fails.
  if (bytesWritten < bytes) await file.writeFile(Buffer.concat(pieces).subarray(bytesWritten));
}

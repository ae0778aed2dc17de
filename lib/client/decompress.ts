import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setImmediate } from 'node:timers/promises';
import zlib from 'node:zlib';
import { Decompress } from 'fzstd';
import { hasCode, SnapshotError } from '../errors.js';
import { BLOCK_HEADER_BYTES } from './zstd-format.js';
import { type FramePart, splitFrames } from './zstd-frames.js';

/** Bytes that Node's decoder puts out at once. The default of 16 KiB takes twice as long. */
const NATIVE_CHUNK_BYTES = 256 * 1024;

/**
 * Decodes a zstd stream of any number of frames, with Node's own decoder where there is one.
 *
 * @throws SnapshotError `ARCHIVE_INVALID`; errors of the source pass unchanged.
 */
export function decompress(source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const parts = splitFrames(source);
  const decoder = createNativeDecoder();
  return decoder ? decodeNatively(parts, decoder) : decodeInJavaScript(parts);
}

/** Since Node 22.15; `undefined` before. */
export function createNativeDecoder(): Transform | undefined {
  // Not in the typings for Node 20.
  const create: unknown = Reflect.get(zlib, 'createZstdDecompress');
  if (typeof create !== 'function') return undefined;
  const decoder: unknown = create({ chunkSize: NATIVE_CHUNK_BYTES });
  return decoder instanceof Transform ? decoder : undefined;
}

/** Decodes in Node's thread pool. Also checks the checksums of frames. */
export async function* decodeNatively(
  parts: AsyncIterable<FramePart>,
  decoder: Transform,
): AsyncGenerator<Uint8Array> {
  const fed = pipeline(bytesOf(parts), decoder);
  // It fails with the decoder, which the loop below reads.
  fed.catch(() => {});
  try {
    for await (const bytes of decoder) yield bytes;
    await fed;
  } catch (error) {
    throw hasCode(error) && /^(ZSTD|Z)_/.test(error.code) ? undecodable(error) : error;
  }
}

/** Each frame part becomes a write of its own. */
async function* bytesOf(parts: AsyncIterable<FramePart>): AsyncGenerator<Uint8Array> {
  for await (const { bytes } of parts) yield bytes;
}

/** Decodes in this thread, and gives other work a turn after each block. */
export async function* decodeInJavaScript(
  parts: AsyncIterable<FramePart>,
): AsyncGenerator<Uint8Array> {
  const decoded: Uint8Array[] = [];
  const frameDecoder = () => new Decompress((bytes) => void decoded.push(bytes));
  let decoder = frameDecoder();
  for await (const { bytes, endsFrame } of parts) {
    try {
      // In two steps: a chunk that ends with a block is kept by fzstd until the frame ends.
      decoder.push(bytes.subarray(0, BLOCK_HEADER_BYTES), false);
      decoder.push(bytes.subarray(BLOCK_HEADER_BYTES), endsFrame);
    } catch (error) {
      throw undecodable(error);
    }
    yield* decoded.splice(0);
    if (endsFrame) decoder = frameDecoder();
    await setImmediate();
  }
}

function undecodable(cause: unknown): SnapshotError {
  return new SnapshotError('ARCHIVE_INVALID', 'the archive cannot be decompressed', { cause });
}

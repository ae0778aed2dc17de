import { SnapshotError } from '../errors.js';
import type { ByteReader } from './byte-reader.js';
import { DIGEST_FRAME_MAGIC } from './digest-frame.js';
import {
  BLOCK_HEADER_BYTES,
  encodeOpenFrameHeader,
  encodeRawBlockHeader,
  FRAME_MAGIC,
  FRAME_PREFIX_BYTES,
  type FrameHeader,
  frameHeaderBytes,
  isSkippable,
  MAX_BLOCK_BYTES,
  parseBlockHeader,
  SKIPPABLE_HEADER_BYTES,
  withoutChecksum,
} from './zstd-format.js';

/** The most pieces of history: a stream's blocks and chunks may be tiny. */
const MAX_PIECES = 8;

/** At most one block. */
export interface FramePart {
  readonly bytes: Uint8Array;
  readonly endsFrame: boolean;
}

/** Decodes one frame. */
export type Decode = (parts: AsyncIterable<FramePart>) => AsyncIterable<Uint8Array>;

/**
 * Yields each frame's header; then read the frame to its end. Skips skippable frames.
 *
 * @throws SnapshotError `ARCHIVE_INVALID`
 */
export async function* readFrameHeaders(reader: ByteReader): AsyncGenerator<Buffer> {
  do {
    const magic = (await reader.peek(4)).readUInt32LE();
    if (magic === FRAME_MAGIC) {
      yield await reader.take(frameHeaderBytes(await reader.peek(FRAME_PREFIX_BYTES)));
    } else if (isSkippable(magic) && magic !== DIGEST_FRAME_MAGIC) {
      const header = await reader.take(SKIPPABLE_HEADER_BYTES);
      await reader.skip(header.readUInt32LE(4));
    } else {
      throw new SnapshotError('ARCHIVE_INVALID', 'the archive is not compressed with zstd');
    }
  } while (!(await reader.ended()));
}

/**
 * The content of a frame, as it arrives. Leaves the Content_Checksum in the reader.
 *
 * Raw blocks at the start need no decoder, and packs are frames of raw blocks alone. If the window
 * is at most one block and a compressed block follows, it can refer only to one block of bytes:
 * they are repeated as a raw block for the decoder.
 *
 * @param header of the frame, taken already; `format` is the parsed header.
 * @throws SnapshotError `ARCHIVE_INVALID`
 */
export async function* readContent(
  reader: ByteReader,
  header: Buffer,
  format: FrameHeader,
  decode: Decode,
): AsyncGenerator<Uint8Array> {
  const { windowBytes } = format;
  let history: Buffer[] = [];
  while (windowBytes <= MAX_BLOCK_BYTES) {
    const block = parseBlockHeader(await reader.peek(BLOCK_HEADER_BYTES), format);
    if (block.type !== 'raw') break;
    await reader.skip(BLOCK_HEADER_BYTES);
    if (block.size === windowBytes) history = [];
    for (let left = block.size; left > 0; ) {
      const bytes = await reader.takeAvailable(left);
      left -= bytes.length;
      if (history.length === MAX_PIECES) history = [lastBytes(history, windowBytes)];
      history.push(bytes);
      yield bytes;
    }
    if (block.last) return;
  }
  const repeated = lastBytes(history, windowBytes);
  let known = repeated.length;
  const start =
    known === 0
      ? [withoutChecksum(header)]
      : [encodeOpenFrameHeader(), encodeRawBlockHeader({ size: known, last: false }), repeated];
  for await (const bytes of decode(readParts(reader, start, format))) {
    if (known < bytes.length) yield bytes.subarray(known);
    known = Math.max(0, known - bytes.length);
  }
}

/** The input of a decoder: `start`, then the rest of the blocks, one at a time. */
async function* readParts(
  reader: ByteReader,
  start: readonly Buffer[],
  format: FrameHeader,
): AsyncGenerator<FramePart> {
  for (const bytes of start) yield { bytes, endsFrame: false };
  for (let endsFrame = false; !endsFrame; ) {
    const block = parseBlockHeader(await reader.peek(BLOCK_HEADER_BYTES), format);
    endsFrame = block.last;
    yield { bytes: await reader.take(BLOCK_HEADER_BYTES + block.size), endsFrame };
  }
}

function lastBytes(pieces: readonly Buffer[], count: number): Buffer {
  return Buffer.concat(pieces).subarray(-count);
}

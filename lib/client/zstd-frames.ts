import { DIGEST_FRAME_MAGIC } from '../archive/digest-frame.js';
import { SnapshotError } from '../errors.js';
import { ByteReader } from './byte-reader.js';
import {
  BLOCK_HEADER_BYTES,
  CHECKSUM_BYTES,
  FRAME_MAGIC,
  FRAME_PREFIX_BYTES,
  frameHeaderBytes,
  isSkippable,
  parseBlockHeader,
  parseFrameHeader,
  SKIPPABLE_HEADER_BYTES,
} from './zstd-format.js';

/** A part of one zstd frame that a decoder can take in one piece: no more than one block. */
export interface FramePart {
  readonly bytes: Uint8Array;
  /** Nothing of this frame follows. */
  readonly endsFrame: boolean;
}

/**
 * Cuts a zstd stream at the bounds of its frames and blocks, and leaves skippable frames out.
 *
 * Node's own decoder drops whatever follows a frame within one write; fzstd decodes all that it is
 * given before it returns, however much that becomes. Given these parts, the one reads every frame and
 * the other yields no more than a block (128 KiB) at a time, from a window that was checked before.
 *
 * @throws SnapshotError `ARCHIVE_INVALID` when the stream is no complete sequence of frames, or when a
 * frame needs a dictionary or a window over 128 MiB.
 */
export async function* splitFrames(source: AsyncIterable<Uint8Array>): AsyncGenerator<FramePart> {
  const reader = new ByteReader(source);
  try {
    do {
      const magic = (await reader.peek(4)).readUInt32LE();
      if (magic === FRAME_MAGIC) yield* splitFrame(reader);
      else if (isSkippable(magic) && magic !== DIGEST_FRAME_MAGIC) await skipFrame(reader);
      else throw new SnapshotError('ARCHIVE_INVALID', 'the archive is not compressed with zstd');
    } while (!(await reader.ended()));
  } finally {
    await reader.close();
  }
}

async function* splitFrame(reader: ByteReader): AsyncGenerator<FramePart> {
  const header = await reader.take(frameHeaderBytes(await reader.peek(FRAME_PREFIX_BYTES)));
  const frame = parseFrameHeader(header);
  yield { bytes: header, endsFrame: false };
  for (let last = false; !last; ) {
    const block = parseBlockHeader(await reader.peek(BLOCK_HEADER_BYTES), frame);
    last = block.last;
    const bytes = await reader.take(BLOCK_HEADER_BYTES + block.size);
    yield { bytes, endsFrame: last && !frame.hasChecksum };
  }
  if (frame.hasChecksum) yield { bytes: await reader.take(CHECKSUM_BYTES), endsFrame: true };
}

async function skipFrame(reader: ByteReader): Promise<void> {
  const header = await reader.take(SKIPPABLE_HEADER_BYTES);
  await reader.skip(header.readUInt32LE(4));
}

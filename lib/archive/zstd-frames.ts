import { SnapshotError } from '../errors.js';
import type { ByteReader } from './byte-reader.js';
import { DIGEST_FRAME_MAGIC } from './digest-frame.js';
import {
  BLOCK_HEADER_BYTES,
  CHECKSUM_BYTES,
  encodeOpenFrameHeader,
  encodeRawBlock,
  FRAME_MAGIC,
  FRAME_PREFIX_BYTES,
  type FrameHeader,
  frameHeaderBytes,
  isSkippable,
  MAX_BLOCK_BYTES,
  parseBlockHeader,
  parseFrameHeader,
  SKIPPABLE_HEADER_BYTES,
  withoutChecksum,
} from './zstd-format.js';

/** The most pieces of history, however small a stream's blocks and chunks are. */
const MAX_PIECES = 8;

/** A part of one zstd frame for a decoder: at most one block. */
export interface FramePart {
  readonly bytes: Uint8Array;
  /** Nothing of this frame follows. */
  readonly endsFrame: boolean;
}

/**
 * The frames of a zstd stream, without skippable ones. Read each to its end before the next.
 *
 * @throws SnapshotError `ARCHIVE_INVALID` when the stream is no complete sequence of frames, or
 * when a frame needs a dictionary or a window over 128 MiB.
 */
export async function* readFrames(reader: ByteReader): AsyncGenerator<Frame> {
  do {
    const magic = (await reader.peek(4)).readUInt32LE();
    if (magic === FRAME_MAGIC) {
      const header = await reader.take(frameHeaderBytes(await reader.peek(FRAME_PREFIX_BYTES)));
      yield new Frame(header, reader);
    } else if (isSkippable(magic) && magic !== DIGEST_FRAME_MAGIC) {
      const header = await reader.take(SKIPPABLE_HEADER_BYTES);
      await reader.skip(header.readUInt32LE(4));
    } else {
      throw new SnapshotError('ARCHIVE_INVALID', 'the archive is not compressed with zstd');
    }
  } while (!(await reader.ended()));
}

/**
 * One frame, which is read in two steps: `stored`, then, unless it has ended, `parts`.
 *
 * The raw blocks at its start need no decoder. Packs are frames of raw blocks alone, so almost all
 * of a snapshot is read this way. It works for frames with a window of one block: if a compressed
 * block follows, it can refer only to as many bytes as one block has.
 */
export class Frame {
  readonly #reader: ByteReader;
  readonly #format: FrameHeader;
  /** The input of a decoder before the next block. */
  #start: readonly Buffer[];
  #repeatedBytes = 0;
  #checksum: number | undefined;
  #ended = false;

  /** @throws SnapshotError `ARCHIVE_INVALID` */
  constructor(header: Buffer, reader: ByteReader) {
    this.#reader = reader;
    this.#start = [withoutChecksum(header)];
    this.#format = parseFrameHeader(header);
  }

  /** Bytes of the whole content, if the frame says so. */
  get contentBytes(): number | undefined {
    return this.#format.contentBytes;
  }

  /** Bytes that `stored` yielded already, and that a decoder of `parts` yields again at first. */
  get repeatedBytes(): number {
    return this.#repeatedBytes;
  }

  get hasChecksum(): boolean {
    return this.#format.hasChecksum;
  }

  /**
   * The Content_Checksum, if there is one: known at the frame's end. It is not given to decoders.
   */
  get checksum(): number | undefined {
    return this.#checksum;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** The content of raw blocks, as it arrives. */
  async *stored(): AsyncGenerator<Buffer> {
    const { windowBytes } = this.#format;
    if (windowBytes > MAX_BLOCK_BYTES) return;
    let history: Buffer[] = [];
    while (!this.#ended) {
      const block = parseBlockHeader(await this.#reader.peek(BLOCK_HEADER_BYTES), this.#format);
      if (block.type !== 'raw') break;
      await this.#reader.skip(BLOCK_HEADER_BYTES);
      if (block.size === windowBytes) history = [];
      for (let left = block.size; left > 0; ) {
        const bytes = await this.#reader.takeAvailable(left);
        left -= bytes.length;
        if (history.length === MAX_PIECES) history = [lastBytes(history, windowBytes)];
        history.push(bytes);
        yield bytes;
      }
      if (block.last) await this.#end();
    }
    if (this.#ended || history.length === 0) return;
    const repeated = lastBytes(history, windowBytes);
    this.#start = [encodeOpenFrameHeader(), encodeRawBlock(repeated, { last: false })];
    this.#repeatedBytes = repeated.length;
  }

  /** The rest, one block at a time. */
  async *parts(): AsyncGenerator<FramePart> {
    for (const bytes of this.#start) yield { bytes, endsFrame: false };
    for (let last = false; !last; ) {
      const block = parseBlockHeader(await this.#reader.peek(BLOCK_HEADER_BYTES), this.#format);
      last = block.last;
      const bytes = await this.#reader.take(BLOCK_HEADER_BYTES + block.size);
      yield { bytes, endsFrame: last };
    }
    await this.#end();
  }

  async #end(): Promise<void> {
    this.#ended = true;
    if (!this.#format.hasChecksum) return;
    this.#checksum = (await this.#reader.take(CHECKSUM_BYTES)).readUInt32LE();
  }
}

function lastBytes(pieces: readonly Buffer[], count: number): Buffer {
  return Buffer.concat(pieces).subarray(-count);
}

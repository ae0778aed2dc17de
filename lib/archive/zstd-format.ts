import { SnapshotError } from '../errors.js';

/*
 * Headers of zstd frames and blocks (RFC 8878 §3.1.1), as far as is needed to find where a frame ends
 * and what memory it wants, without decoding anything.
 */

export const FRAME_MAGIC = 0xfd2fb528;
/** Magic number and Frame_Header_Descriptor: from these the length of the whole header follows. */
export const FRAME_PREFIX_BYTES = 5;
export const BLOCK_HEADER_BYTES = 3;
export const CHECKSUM_BYTES = 4;
/** Content_Checksum_flag of the Frame_Header_Descriptor. */
export const CHECKSUM_FLAG = 0x04;
/** Magic number and Frame_Size. */
export const SKIPPABLE_HEADER_BYTES = 8;

/** What `zstd -d` and libzstd accept unless told otherwise. */
export const MAX_WINDOW_BYTES = 128 * 1024 * 1024;
/** Block_Maximum_Size, unless the window is smaller. */
export const MAX_BLOCK_BYTES = 128 * 1024;

/** Block_Type, §3.1.1.2.2. */
const BLOCK_TYPES = ['raw', 'run', 'compressed'] as const;

export interface FrameHeader {
  /** How far back a block may refer, and the most that it holds if that is less than 128 KiB. */
  readonly windowBytes: number;
  /** The most that a block of this frame holds, compressed and decompressed. */
  readonly maxBlockBytes: number;
  /** Bytes of the content, if the frame says so. */
  readonly contentBytes: number | undefined;
  /** Whether a Content_Checksum follows the last block. */
  readonly hasChecksum: boolean;
}

export interface BlockHeader {
  readonly type: 'raw' | 'run' | 'compressed';
  readonly last: boolean;
  /** Bytes that follow this header in the stream. */
  readonly size: number;
}

/** One of 16 magic numbers (§3.1.2). */
export function isSkippable(magic: number): boolean {
  return magic >>> 4 === 0x184d2a5;
}

/** @param prefix the first `FRAME_PREFIX_BYTES` of a frame. @returns bytes of its whole header. */
export function frameHeaderBytes(prefix: Buffer): number {
  const { singleSegment, dictionaryBytes, contentSizeBytes } = descriptor(prefix);
  return FRAME_PREFIX_BYTES + (singleSegment ? 0 : 1) + dictionaryBytes + contentSizeBytes;
}

/** @throws SnapshotError `ARCHIVE_INVALID` */
export function parseFrameHeader(header: Buffer): FrameHeader {
  const { singleSegment, dictionaryBytes, contentSizeBytes, hasChecksum, reserved } =
    descriptor(header);
  if (reserved) throw invalid('uses a reserved bit');
  const dictionaryAt = FRAME_PREFIX_BYTES + (singleSegment ? 0 : 1);
  for (const byte of header.subarray(dictionaryAt, dictionaryAt + dictionaryBytes)) {
    if (byte !== 0) throw invalid('needs a dictionary');
  }
  const contentBytes =
    contentSizeBytes === 0
      ? undefined
      : contentSize(header.subarray(header.length - contentSizeBytes));
  const windowBytes = singleSegment
    ? (contentBytes ?? 0)
    : windowSize(header.readUInt8(FRAME_PREFIX_BYTES));
  if (windowBytes > MAX_WINDOW_BYTES) throw invalid(`needs a window of ${windowBytes} bytes`);
  const maxBlockBytes = Math.min(windowBytes, MAX_BLOCK_BYTES);
  return { windowBytes, maxBlockBytes, contentBytes, hasChecksum };
}

/** @throws SnapshotError `ARCHIVE_INVALID` */
export function parseBlockHeader(bytes: Buffer, frame: FrameHeader): BlockHeader {
  const value = bytes.readUIntLE(0, BLOCK_HEADER_BYTES);
  const type = BLOCK_TYPES[(value >> 1) & 3];
  const blockSize = value >> 3;
  if (type === undefined) throw invalid('has a block of the reserved type');
  if (blockSize > frame.maxBlockBytes) throw invalid(`has a block of ${blockSize} bytes`);
  // A run is one byte, repeated `blockSize` times.
  return { type, last: (value & 1) === 1, size: type === 'run' ? 1 : blockSize };
}

/** The same header of a frame that does not end with a checksum. */
export function withoutChecksum(header: Buffer): Buffer {
  const changed = Buffer.from(header);
  changed.writeUInt8(
    header.readUInt8(FRAME_PREFIX_BYTES - 1) & ~CHECKSUM_FLAG,
    FRAME_PREFIX_BYTES - 1,
  );
  return changed;
}

/** The header of a frame with a window of 128 KiB, and a first raw block that is not the last. */
export function encodeRawStart(content: Buffer): [header: Buffer, block: Buffer] {
  const header = Buffer.alloc(FRAME_PREFIX_BYTES + 1);
  header.writeUInt32LE(FRAME_MAGIC);
  header.writeUInt8(7 << 3, FRAME_PREFIX_BYTES);
  const blockHeader = Buffer.alloc(BLOCK_HEADER_BYTES);
  blockHeader.writeUIntLE(content.length << 3, 0, BLOCK_HEADER_BYTES);
  return [header, Buffer.concat([blockHeader, content])];
}

/** Frame_Header_Descriptor, §3.1.1.1.1. */
function descriptor(prefix: Buffer) {
  const flags = prefix.readUInt8(FRAME_PREFIX_BYTES - 1);
  const singleSegment = (flags & 0x20) !== 0;
  const contentSizeFlag = flags >> 6;
  const dictionaryFlag = flags & 3;
  return {
    singleSegment,
    hasChecksum: (flags & CHECKSUM_FLAG) !== 0,
    reserved: (flags & 0x08) !== 0,
    dictionaryBytes: dictionaryFlag === 3 ? 4 : dictionaryFlag,
    contentSizeBytes: contentSizeFlag === 0 ? Number(singleSegment) : 1 << contentSizeFlag,
  };
}

/** Window_Descriptor, §3.1.1.1.2. */
function windowSize(byte: number): number {
  const base = 2 ** (10 + (byte >> 3));
  return base + (base / 8) * (byte & 7);
}

/** Frame_Content_Size, §3.1.1.1.4; the form of two bytes starts at 256. */
function contentSize(field: Buffer): number {
  if (field.length === 8) return Number(field.readBigUInt64LE());
  return field.readUIntLE(0, field.length) + (field.length === 2 ? 256 : 0);
}

function invalid(what: string): SnapshotError {
  return new SnapshotError('ARCHIVE_INVALID', `a zstd frame of the archive ${what}`);
}

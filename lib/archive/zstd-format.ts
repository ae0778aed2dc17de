import { SnapshotError } from '../errors.js';

/*
 * Headers of zstd frames and blocks (RFC 8878 §3.1.1). They are read to find where a frame ends and
 * how much memory it needs. They are written for frames of raw blocks, which cost only copying.
 */

export const FRAME_MAGIC = 0xfd2fb528;
/** Magic number and Frame_Header_Descriptor, which gives the length of the whole header. */
export const FRAME_PREFIX_BYTES = 5;
export const BLOCK_HEADER_BYTES = 3;
export const CHECKSUM_BYTES = 4;
/** The place of the Frame_Header_Descriptor, and two of its flags. */
const DESCRIPTOR_AT = 4;
const CHECKSUM_FLAG = 0x04;
/** A Frame_Content_Size of 8 bytes. */
const LONG_CONTENT_SIZE = 3 << 6;
/** Window_Descriptor: 2^(10 + 7) = 128 KiB, no more than a raw block needs. */
const RAW_WINDOW = 7 << 3;
/** Magic number and Frame_Size. */
export const SKIPPABLE_HEADER_BYTES = 8;

/** The largest window that `zstd -d` and libzstd accept by default. */
export const MAX_WINDOW_BYTES = 128 * 1024 * 1024;
/** Block_Maximum_Size, unless the window is smaller. */
export const MAX_BLOCK_BYTES = 128 * 1024;

/** §3.1.1.2.2. */
const BLOCK_TYPES = ['raw', 'run', 'compressed'] as const;

export interface FrameHeader {
  /** How far back a block may refer, and the most bytes that it holds. */
  readonly windowBytes: number;
  readonly contentBytes: number | undefined;
  readonly hasChecksum: boolean;
}

export interface BlockHeader {
  readonly type: (typeof BLOCK_TYPES)[number];
  readonly last: boolean;
  /** Bytes that follow this header in the stream. */
  readonly size: number;
}

/** Whether it is a magic number of skippable frames (§3.1.2). */
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
  const contentBytes = contentSize(header.subarray(header.length - contentSizeBytes));
  // A single segment always has a content size.
  const windowBytes =
    singleSegment && contentBytes !== undefined
      ? contentBytes
      : windowSize(header.readUInt8(FRAME_PREFIX_BYTES));
  if (windowBytes > MAX_WINDOW_BYTES) throw invalid(`needs a window of ${windowBytes} bytes`);
  return { windowBytes, contentBytes, hasChecksum };
}

/** @throws SnapshotError `ARCHIVE_INVALID` */
export function parseBlockHeader(bytes: Buffer, { windowBytes }: FrameHeader): BlockHeader {
  const value = bytes.readUIntLE(0, BLOCK_HEADER_BYTES);
  const type = BLOCK_TYPES[(value >> 1) & 3];
  const blockSize = value >> 3;
  if (type === undefined) throw invalid('has a block of the reserved type');
  if (blockSize > Math.min(windowBytes, MAX_BLOCK_BYTES))
    throw invalid(`has a block of ${blockSize} bytes`);
  // A run is one byte, repeated `blockSize` times.
  return { type, last: (value & 1) === 1, size: type === 'run' ? 1 : blockSize };
}

export function withoutChecksum(header: Buffer): Buffer {
  const changed = Buffer.from(header);
  changed.writeUInt8(header.readUInt8(DESCRIPTOR_AT) & ~CHECKSUM_FLAG, DESCRIPTOR_AT);
  return changed;
}

export function setChecksumFlag(frame: Buffer): void {
  frame.writeUInt8(frame.readUInt8(DESCRIPTOR_AT) | CHECKSUM_FLAG, DESCRIPTOR_AT);
}

/** The header of a frame of raw blocks, with content size and checksum. */
export function encodeRawFrameHeader(contentBytes: number): Buffer {
  const header = Buffer.alloc(FRAME_PREFIX_BYTES + 1 + 8);
  header.writeUInt32LE(FRAME_MAGIC);
  header.writeUInt8(LONG_CONTENT_SIZE | CHECKSUM_FLAG, DESCRIPTOR_AT);
  header.writeUInt8(RAW_WINDOW, FRAME_PREFIX_BYTES);
  header.writeBigUInt64LE(BigInt(contentBytes), FRAME_PREFIX_BYTES + 1);
  return header;
}

/** The header of a frame that begins with a raw block, without content size and checksum. */
export function encodeOpenFrameHeader(): Buffer {
  const header = Buffer.alloc(FRAME_PREFIX_BYTES + 1);
  header.writeUInt32LE(FRAME_MAGIC);
  header.writeUInt8(RAW_WINDOW, FRAME_PREFIX_BYTES);
  return header;
}

export function encodeRawBlockHeader({ size, last }: Omit<BlockHeader, 'type'>): Buffer {
  const header = Buffer.alloc(BLOCK_HEADER_BYTES);
  header.writeUIntLE((size << 3) | Number(last), 0, BLOCK_HEADER_BYTES);
  return header;
}

/** @param hash the XXH64 of a frame's content. */
export function encodeChecksum(hash: bigint): Buffer {
  const bytes = Buffer.alloc(CHECKSUM_BYTES);
  bytes.writeUInt32LE(Number(BigInt.asUintN(32, hash)));
  return bytes;
}

/** Frame_Header_Descriptor, §3.1.1.1.1. */
function descriptor(prefix: Buffer) {
  const flags = prefix.readUInt8(DESCRIPTOR_AT);
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

/** Frame_Content_Size, §3.1.1.1.4: 0, 1, 2, 4 or 8 bytes. The form of two bytes starts at 256. */
function contentSize(field: Buffer): number | undefined {
  if (field.length === 0) return undefined;
  if (field.length === 8) return Number(field.readBigUInt64LE());
  return field.readUIntLE(0, field.length) + (field.length === 2 ? 256 : 0);
}

function invalid(what: string): SnapshotError {
  return new SnapshotError('ARCHIVE_INVALID', `a zstd frame of the archive ${what}`);
}

import type { ContentChecksum } from './content-checksum.js';
import { encodeTarHeader, padding, type TarEntry } from './tar.js';
import {
  encodeChecksum,
  RAW_BLOCK_BYTES,
  RAW_BLOCK_HEADER_BYTES,
  rawFrameHeader,
  writeRawBlockHeader,
} from './zstd.js';

/** Blocks of a piece: few system calls, and no more than a processor's cache holds. */
const BLOCKS = 8;

/**
 * A file whose bytes do not compress, as one frame of raw blocks: its tar header, content and padding.
 *
 * @param checksum a new one.
 * @param read fills the buffer with the content's bytes from the offset on.
 * @returns the frame in pieces of about 1 MiB, each valid until the next one is asked for.
 */
export function* storedEntry(
  entry: TarEntry,
  checksum: ContentChecksum,
  read: (target: Buffer, offset: number) => void,
): Generator<Buffer> {
  const header = encodeTarHeader(entry);
  const zeros = Buffer.alloc(padding(entry.size));
  const { size } = entry;
  checksum.update(header);
  yield Buffer.concat([
    rawFrameHeader(header.length + size + zeros.length),
    rawBlock(header, size === 0),
  ]);
  const blocks = Math.min(BLOCKS, Math.ceil(size / RAW_BLOCK_BYTES));
  const buffer = Buffer.allocUnsafeSlow(blocks * (RAW_BLOCK_HEADER_BYTES + RAW_BLOCK_BYTES));
  for (let offset = 0; offset < size; ) {
    let used = 0;
    for (let i = 0; i < blocks && offset < size; i++) {
      const length = Math.min(RAW_BLOCK_BYTES, size - offset);
      const last = offset + length === size && zeros.length === 0;
      writeRawBlockHeader(buffer, used, length, last);
      used += RAW_BLOCK_HEADER_BYTES;
      const content = buffer.subarray(used, used + length);
      read(content, offset);
      checksum.update(content);
      used += length;
      offset += length;
    }
    yield buffer.subarray(0, used);
  }
  const end = zeros.length > 0 ? [rawBlock(zeros, true)] : [];
  checksum.update(zeros);
  yield Buffer.concat([...end, encodeChecksum(checksum.digest())]);
}

/** A whole block. @param bytes no more than a block may have. */
function rawBlock(bytes: Buffer, last: boolean): Buffer {
  const block = Buffer.allocUnsafe(RAW_BLOCK_HEADER_BYTES + bytes.length);
  writeRawBlockHeader(block, 0, bytes.length, last);
  bytes.copy(block, RAW_BLOCK_HEADER_BYTES);
  return block;
}

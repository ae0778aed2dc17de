import type { ContentChecksum } from './content-checksum.js';
import { encodeTarHeader, type TarEntry } from './tar.js';
import { padding } from './tar-format.js';
import {
  BLOCK_HEADER_BYTES,
  encodeChecksum,
  encodeRawBlockHeader,
  encodeRawFrameHeader,
  MAX_BLOCK_BYTES,
} from './zstd-format.js';

/** Blocks of a piece: few system calls, and a piece fits into a processor's cache. */
const BLOCKS = 8;

/**
 * A tar entry whose bytes do not compress, as one frame of raw blocks.
 *
 * @param read fills `target` with bytes of the content, starting at `offset`.
 * @returns pieces of about 1 MiB; each is valid until the next is read.
 */
export function* storedEntry(
  entry: TarEntry,
  checksum: ContentChecksum,
  read: (target: Buffer, offset: number) => void,
): Generator<Buffer> {
  const header = encodeTarHeader(entry);
  const { size } = entry;
  const zeros = Buffer.alloc(padding(size));
  checksum.update(header);
  yield Buffer.concat([
    encodeRawFrameHeader(header.length + size + zeros.length),
    encodeRawBlockHeader({ size: header.length, last: size === 0 }),
    header,
  ]);
  const blocks = Math.min(BLOCKS, Math.ceil(size / MAX_BLOCK_BYTES));
  const buffer = Buffer.allocUnsafeSlow(blocks * (BLOCK_HEADER_BYTES + MAX_BLOCK_BYTES));
  for (let offset = 0; offset < size; ) {
    let used = 0;
    for (let i = 0; i < blocks && offset < size; i++) {
      const length = Math.min(MAX_BLOCK_BYTES, size - offset);
      const last = offset + length === size && zeros.length === 0;
      used += encodeRawBlockHeader({ size: length, last }).copy(buffer, used);
      const content = buffer.subarray(used, used + length);
      read(content, offset);
      checksum.update(content);
      used += length;
      offset += length;
    }
    yield buffer.subarray(0, used);
  }
  checksum.update(zeros);
  const filling = [encodeRawBlockHeader({ size: zeros.length, last: true }), zeros];
  const end = zeros.length > 0 ? filling : [];
  yield Buffer.concat([...end, encodeChecksum(checksum.digest())]);
}

import { createRequire } from 'node:module';
import zlib from 'node:zlib';
import { loadContentChecksum, type NewContentChecksum } from './content-checksum.js';
import { CHECKSUM_BYTES, CHECKSUM_FLAG, FRAME_MAGIC, FRAME_PREFIX_BYTES } from './zstd-format.js';

/*
 * zstd frames, RFC 8878. Compressible bytes become compressed frames; bytes that do not compress
 * become raw blocks, which cost no more than copying. Frames in a row are one valid zstd stream. Each ends
 * with a checksum of its content, so that a flipped bit fails every decoder that looks at it.
 */

/** Turns bytes into one complete zstd frame. */
export interface ZstdEncoder {
  /** Names implementation, version and level: the same id gives the same bytes for the same input. */
  readonly id: string;
  compress(bytes: Uint8Array): Uint8Array;
}

/** Since Node 22.15; what the typings for Node 20 lack. */
interface NativeZstd {
  zstdCompressSync(bytes: Uint8Array, options: { params: Record<number, number> }): Buffer;
  constants: { ZSTD_c_compressionLevel: number; ZSTD_c_checksumFlag: number };
}

interface WasmZstd {
  isLoaded: Promise<void>;
  compress(bytes: Uint8Array, level: number): Uint8Array;
}

/** Node's own encoder where there is one, else WebAssembly. */
export async function loadZstdEncoder(level: number): Promise<ZstdEncoder> {
  return hasNativeZstd(zlib) ? nativeEncoder(zlib, level) : await wasmEncoder(level);
}

function nativeEncoder(native: NativeZstd, level: number): ZstdEncoder {
  const { ZSTD_c_compressionLevel, ZSTD_c_checksumFlag } = native.constants;
  const params = { [ZSTD_c_compressionLevel]: level, [ZSTD_c_checksumFlag]: 1 };
  return {
    id: `libzstd-${process.versions.zstd}-${level}`,
    compress: (bytes) => native.zstdCompressSync(bytes, { params }),
  };
}

/** Loaded only here: Node versions with an encoder of their own never compile it. */
async function wasmEncoder(level: number): Promise<ZstdEncoder> {
  const require = createRequire(import.meta.url);
  const wasm: WasmZstd = require('@foxglove/wasm-zstd');
  await wasm.isLoaded;
  const newChecksum = await loadContentChecksum();
  return {
    id: `foxglove-wasm-zstd-1-${level}`,
    compress: (bytes) => withChecksum(wasm.compress(bytes, level), bytes, newChecksum),
  };
}

/** That encoder can't be told to add one. */
function withChecksum(
  frame: Uint8Array,
  content: Uint8Array,
  newChecksum: NewContentChecksum,
): Buffer {
  const checksum = newChecksum();
  checksum.update(content);
  const result = Buffer.concat([frame, encodeChecksum(checksum.digest())]);
  result.writeUInt8(
    result.readUInt8(FRAME_PREFIX_BYTES - 1) | CHECKSUM_FLAG,
    FRAME_PREFIX_BYTES - 1,
  );
  return result;
}

function hasNativeZstd(module: object): module is NativeZstd {
  return 'zstdCompressSync' in module;
}

/** Frame_Content_Size of 8 bytes, a checksum, no dictionary, not a single segment. */
const RAW_FRAME_DESCRIPTOR = 0xc0 | CHECKSUM_FLAG;
/** Window_Descriptor: 2^(10 + 7) = 128 KiB, no more than a raw block needs. */
const RAW_FRAME_WINDOW = 7 << 3;
export const RAW_BLOCK_HEADER_BYTES = 3;
/** Block_Maximum_Size. */
export const RAW_BLOCK_BYTES = 128 * 1024;

/**
 * The header of a frame whose blocks are all raw; its checksum follows the last one. `contentSize`: bytes
 * of all blocks together.
 */
export function rawFrameHeader(contentSize: number): Buffer {
  const header = Buffer.alloc(14);
  header.writeUInt32LE(FRAME_MAGIC, 0);
  header[4] = RAW_FRAME_DESCRIPTOR;
  header[5] = RAW_FRAME_WINDOW;
  header.writeBigUInt64LE(BigInt(contentSize), 6);
  return header;
}

/** Content_Checksum: the end of a frame. */
export function encodeChecksum(checksum: number): Buffer {
  const bytes = Buffer.alloc(CHECKSUM_BYTES);
  bytes.writeUInt32LE(checksum);
  return bytes;
}

/** Block_Header: comes before the `size` bytes of a raw block. */
export function writeRawBlockHeader(
  out: Uint8Array,
  at: number,
  size: number,
  last: boolean,
): void {
  const value = (size << 3) | (last ? 1 : 0);
  out[at] = value & 0xff;
  out[at + 1] = (value >> 8) & 0xff;
  out[at + 2] = (value >> 16) & 0xff;
}

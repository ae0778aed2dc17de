import { createRequire } from 'node:module';
import zlib from 'node:zlib';

/*
 * zstd frames, RFC 8878. Compressible bytes become compressed frames; bytes that do not compress
 * become raw blocks, which cost no more than copying. Frames in a row are one valid zstd stream.
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
  return { id: `foxglove-wasm-zstd-1-${level}`, compress: (bytes) => wasm.compress(bytes, level) };
}

function hasNativeZstd(module: object): module is NativeZstd {
  return 'zstdCompressSync' in module;
}

const MAGIC = 0xfd2fb528;
/** Frame_Content_Size of 8 bytes, no checksum, no dictionary, not a single segment. */
const RAW_FRAME_DESCRIPTOR = 0xc0;
/** Window_Descriptor: 2^(10 + 7) = 128 KiB, no more than a raw block needs. */
const RAW_FRAME_WINDOW = 7 << 3;
export const RAW_BLOCK_HEADER_BYTES = 3;
/** Block_Maximum_Size. */
export const RAW_BLOCK_BYTES = 128 * 1024;

/** The header of a frame whose blocks are all raw. `contentSize`: bytes of all blocks together. */
export function rawFrameHeader(contentSize: number): Buffer {
  const header = Buffer.alloc(14);
  header.writeUInt32LE(MAGIC, 0);
  header[4] = RAW_FRAME_DESCRIPTOR;
  header[5] = RAW_FRAME_WINDOW;
  header.writeBigUInt64LE(BigInt(contentSize), 6);
  return header;
}

/** Block_Header: comes before the `size` bytes of a raw block. A frame ends with its last block. */
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

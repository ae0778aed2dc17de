import { createRequire } from 'node:module';
import zlib from 'node:zlib';
import { loadContentChecksum, type NewContentChecksum } from './content-checksum.js';
import { encodeChecksum, setChecksumFlag } from './zstd-format.js';

/*
 * Encoders of compressed zstd frames (RFC 8878). Each frame ends with a checksum of its content, so
 * that a flipped bit fails every decoder that checks it. Bytes that do not compress: see
 * `stored-entry.ts`.
 */

/** Turns bytes into one complete zstd frame. */
export interface ZstdEncoder {
  /**
   * Names implementation, version and level: the same id gives the same bytes for the same input.
   */
  readonly id: string;
  compress(bytes: Uint8Array): Uint8Array;
}

/** Since Node 22.15; the typings for Node 20 lack it. */
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

/** That encoder has no option to add one. */
function withChecksum(
  frame: Uint8Array,
  content: Uint8Array,
  newChecksum: NewContentChecksum,
): Buffer {
  const checksum = newChecksum();
  checksum.update(content);
  const result = Buffer.concat([frame, encodeChecksum(checksum.digest())]);
  setChecksumFlag(result);
  return result;
}

function hasNativeZstd(module: object): module is NativeZstd {
  return 'zstdCompressSync' in module;
}

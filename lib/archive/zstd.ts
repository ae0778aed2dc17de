import zlib from 'node:zlib';
import { loadContentChecksum } from './content-checksum.js';
import { loadWasmZstd } from './wasm-zstd.js';
import { encodeChecksum, setChecksumFlag } from './zstd-format.js';

/** Turns bytes into one complete zstd frame (RFC 8878), which ends with a checksum. */
export interface ZstdEncoder {
  /** Implementation, version and level: with the same id, the same input gives the same bytes. */
  readonly id: string;
  compress(bytes: Uint8Array): Uint8Array;
}

/** Since Node 22.15; the typings for Node 20 lack it. */
interface NativeZstd {
  zstdCompressSync(bytes: Uint8Array, options: { params: Record<number, number> }): Buffer;
  constants: { ZSTD_c_compressionLevel: number; ZSTD_c_checksumFlag: number };
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

async function wasmEncoder(level: number): Promise<ZstdEncoder> {
  const wasm = await loadWasmZstd();
  const newChecksum = await loadContentChecksum();
  // This encoder has no option for the checksum.
  const compress = (bytes: Uint8Array) => {
    const checksum = newChecksum();
    checksum.update(bytes);
    const frame = wasm.compress(bytes, level);
    const result = Buffer.concat([frame, encodeChecksum(checksum.digest())]);
    setChecksumFlag(result);
    return result;
  };
  return { id: `foxglove-wasm-zstd-1-${level}`, compress };
}

function hasNativeZstd(module: object): module is NativeZstd {
  return 'zstdCompressSync' in module;
}

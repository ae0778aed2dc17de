import { createRequire } from 'node:module';

/** libzstd as WebAssembly, for Node before 22.15. Both functions take and give whole frames. */
export interface WasmZstd {
  compress(bytes: Uint8Array, level: number): Uint8Array;
  /** @param maxBytes of the content. Throws when the frame is malformed, or has more. */
  decompress(frame: Uint8Array, maxBytes: number): Uint8Array;
}

export async function loadWasmZstd(): Promise<WasmZstd> {
  const require = createRequire(import.meta.url);
  const wasm: WasmZstd & { isLoaded: Promise<void> } = require('@foxglove/wasm-zstd');
  await wasm.isLoaded;
  return wasm;
}

import { readFileSync } from 'node:fs';

/** The exports of `wasm/inflate.ts`. */
interface InflateModule {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly OUT: { readonly value: number };
  readonly WINDOW: { readonly value: number };
  readonly WINDOW_BYTES: { readonly value: number };
  inflate(start: number, end: number, size: number): number;
}

/** The part that is used of what the typings have only with a browser's. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: InflateModule };
};

/** Entries that inflate to more than this don't fit. */
export const MAX_INFLATED_BYTES = 1024 * 1024;

/**
 * Inflates pack entries within memory of its own, without allocating. Memory: 5.3 MiB. Synchronous.
 */
export class EntryInflater {
  /** Where the input is to be put. */
  readonly window: Buffer;
  /** The latest result begins here. */
  readonly output: Buffer;
  readonly #module: InflateModule;

  constructor() {
    const code = readFileSync(new URL('./wasm/inflate.wasm', import.meta.url));
    const module = new WebAssembly.Instance(new WebAssembly.Module(code), {}).exports;
    const { buffer } = module.memory;
    this.window = Buffer.from(buffer, module.WINDOW.value, module.WINDOW_BYTES.value);
    this.output = Buffer.from(buffer, module.OUT.value, MAX_INFLATED_BYTES);
    this.#module = module;
  }

  /**
   * Inflates the zlib stream at the start of `window[start, end)` (more may follow it), which must yield
   * exactly `size` bytes, to `output[0, size)`.
   *
   * @param size at most `MAX_INFLATED_BYTES`.
   * @returns how many bytes the stream takes; 0 when it is not there whole, negative when it is none.
   */
  inflate(start: number, end: number, size: number): number {
    const offset = this.#module.WINDOW.value;
    return this.#module.inflate(offset + start, offset + end, size);
  }
}

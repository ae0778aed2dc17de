import { readFileSync } from 'node:fs';
import type { DeltaHeader } from './delta.js';
import { MAX_INFLATED_BYTES, maxDeflatedBytes } from './format.js';

/** What the modules in `wasm/` export. */
interface ObjectModule {
  readonly OUT: { readonly value: number };
  readonly WINDOW: { readonly value: number };
  readonly WINDOW_BYTES: { readonly value: number };
  readonly SPARE: { readonly value: number };
  inflate(start: number, end: number, size: number): number;
  applyDelta(
    start: number,
    end: number,
    base: number,
    baseSize: number,
    out: number,
    outEnd: number,
  ): number;
}

interface Memory {
  readonly buffer: ArrayBuffer;
}

/** The part that is used of what the typings have only with a browser's. */
declare const WebAssembly: {
  readonly Memory: new (size: { initial: number; maximum: number }) => Memory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: { env: { memory: Memory } },
  ) => { readonly exports: ObjectModule };
};

/** What a result of `applyDelta` needs behind it. */
export const OVERWRITTEN_BYTES = 16;

const PAGE_BYTES = 64 * 1024;
/** What comes before the ring: as in `wasm/memory.ts` and `wasm/asconfig.json`. */
const PAGES = 129;
const RING_AT = PAGES * PAGE_BYTES;

/**
 * Memory in which WebAssembly inflates pack entries and applies deltas, without allocating. To be kept as
 * long as its thread: WebAssembly memory goes back only when it is collected, which idle threads don't do.
 * Memory: at most 8.1 MiB and the ring, and only what was ever used of it. Synchronous.
 */
export class ObjectMemory {
  /** Where what is inflated is to be put. */
  readonly window: Buffer;
  /** What was inflated last begins here. */
  readonly output: Buffer;
  /** Where the bases and results of deltas lie. */
  readonly ring: Buffer;
  /** Where other input is put. */
  readonly #spare: Buffer;
  readonly #module: ObjectModule;

  constructor(ringBytes: number) {
    const pages = PAGES + Math.ceil((ringBytes + OVERWRITTEN_BYTES) / PAGE_BYTES);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const code = readFileSync(new URL('./wasm/objects.wasm', import.meta.url));
    const instance = new WebAssembly.Instance(new WebAssembly.Module(code), { env: { memory } });
    const module = instance.exports;
    this.window = Buffer.from(memory.buffer, module.WINDOW.value, module.WINDOW_BYTES.value);
    this.output = Buffer.from(memory.buffer, module.OUT.value, MAX_INFLATED_BYTES);
    const { SPARE } = module;
    this.#spare = Buffer.from(memory.buffer, SPARE.value, maxDeflatedBytes(MAX_INFLATED_BYTES));
    this.ring = Buffer.from(memory.buffer, RING_AT, ringBytes);
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

  /**
   * The same for a stream that lies elsewhere; the window stays as it is.
   *
   * @param stream at most `maxDeflatedBytes(size)` bytes.
   */
  inflateCopied(stream: Uint8Array, size: number): number {
    this.#spare.set(stream);
    const start = this.#module.SPARE.value;
    return this.#module.inflate(start, start + stream.length, size);
  }

  /**
   * Applies a delta to the base at `ring[baseAt]`. The result goes to `ring[at]`, where it and
   * `OVERWRITTEN_BYTES` after it must have room, apart from the base.
   *
   * @param delta the bytes that `header` was parsed from: `output`, or others, which are copied over it.
   * @returns whether the delta is well-formed; if not, the place of the result holds anything.
   */
  applyDelta(delta: Buffer, header: DeltaHeader, baseAt: number, at: number): boolean {
    const { instructionsAt, end, baseSize, resultSize } = header;
    let start = instructionsAt;
    if (delta !== this.output) {
      delta.copy(this.output, 0, instructionsAt, end);
      start = 0;
    }
    const from = this.#module.OUT.value + start;
    const out = RING_AT + at;
    const base = RING_AT + baseAt;
    const to = from + end - instructionsAt;
    return this.#module.applyDelta(from, to, base, baseSize, out, out + resultSize) !== 0;
  }
}

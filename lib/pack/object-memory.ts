import { readFileSync } from 'node:fs';
import { threadsFile } from '../workers/start-thread.js';
import type { DeltaHeader } from './delta.js';
import { MAX_INFLATED_BYTES, maxDeflatedBytes } from './format.js';

/** The exports of the modules in `wasm/`. */
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

/** Node's typings lack it. */
declare const WebAssembly: {
  readonly Memory: new (size: { initial: number; maximum: number }) => { buffer: ArrayBuffer };
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: { env: { memory: object } },
  ) => { readonly exports: ObjectModule };
};

/** Bytes after a result that `applyDelta` may overwrite. */
export const OVERWRITTEN_BYTES = 16;

const PAGE_BYTES = 64 * 1024;
/** The pages before the ring: as in `wasm/memory.ts` and `wasm/asconfig.json`. */
const PAGES = 129;
const RING_AT = PAGES * PAGE_BYTES;

/**
 * Memory in which WebAssembly inflates pack entries and applies deltas, without allocating. Keep it
 * as long as its thread: only a garbage collection frees WebAssembly memory, and idle threads don't
 * collect. Memory: at most 8.1 MiB and the ring, of which only used pages count. Synchronous.
 */
export class ObjectMemory {
  /** The input of `inflate`. */
  readonly window: Buffer;
  /** Begins with the latest inflated content. */
  readonly output: Buffer;
  /** The bases and results of deltas. */
  readonly ring: Buffer;
  /** The input of `inflateCopied`. */
  readonly #spare: Buffer;
  readonly #module: ObjectModule;

  constructor(ringBytes: number) {
    const pages = PAGES + Math.ceil((ringBytes + OVERWRITTEN_BYTES) / PAGE_BYTES);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const code = readFileSync(threadsFile('objects.wasm'));
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
   * Inflates the zlib stream at the start of `window[start, end)` (more may follow it), which must
   * yield exactly `size` bytes (at most `MAX_INFLATED_BYTES`), to `output[0, size)`.
   *
   * @returns how many bytes the stream takes; 0 when it is incomplete, negative when it is invalid.
   */
  inflate(start: number, end: number, size: number): number {
    const offset = this.#module.WINDOW.value;
    return this.#module.inflate(offset + start, offset + end, size);
  }

  /** The same outside the window. @param stream at most `maxDeflatedBytes(size)` bytes. */
  inflateCopied(stream: Uint8Array, size: number): number {
    this.#spare.set(stream);
    const start = this.#module.SPARE.value;
    return this.#module.inflate(start, start + stream.length, size);
  }

  /**
   * Applies a delta to the base at `ring[baseAt]`. The result goes to `ring[at]`, where it and
   * `OVERWRITTEN_BYTES` after it must have room, apart from the base.
   *
   * @param delta `output`, or other bytes, which are copied there.
   * @returns whether the delta is well-formed.
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

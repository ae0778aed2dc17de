import type { Slice } from './range.js';

const PAGE = 64 * 1024;

/** Bytes that grow at the end, in pages: growing copies nothing, and any offset is found at once. */
export class Pages {
  /** Each of `PAGE` bytes; of the last, only what `size` says is used. */
  readonly #pages: Buffer[] = [];
  #size = 0;

  append(chunk: Uint8Array): void {
    let rest = chunk;
    while (rest.length > 0) {
      const used = this.#size % PAGE;
      if (used === 0) this.#pages.push(Buffer.allocUnsafeSlow(PAGE));
      const part = rest.subarray(0, PAGE - used);
      this.#pages.at(-1)?.set(part, used);
      this.#size += part.length;
      rest = rest.subarray(part.length);
    }
  }

  /** Frees the unused rest of the last page. Nothing can be appended any more. */
  trim(): void {
    const used = this.#size % PAGE;
    const last = this.#pages.at(-1);
    if (last !== undefined && used > 0)
      this.#pages.splice(-1, 1, Buffer.from(last.subarray(0, used)));
  }

  /** Copies, page by page: a reader may overwrite or transfer a chunk and must not change the rest. */
  *read({ start, stop }: Slice): Generator<Buffer> {
    for (let position = start; position < stop; ) {
      const from = position % PAGE;
      const page = this.#pages[Math.floor(position / PAGE)];
      const chunk = Buffer.from(page?.subarray(from, from + stop - position) ?? []);
      position += chunk.length;
      yield chunk;
    }
  }
}

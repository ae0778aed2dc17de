import { SnapshotError } from '../errors.js';

/* pkt-line framing: gitprotocol-common(5). 0001 and 0002 delimit parts of protocol v2. */

/** `payload` is a view that is valid until the next frame is read. */
export type PktLine = { kind: 'data'; payload: Buffer } | { kind: 'flush' | 'delim' | 'end' };

const FRAME_BYTES = 65_520;
const LENGTH_BYTES = 4;
const LINE_FEED = 0x0a;

export function encodePktLine(content: string | Uint8Array): Buffer {
  const payload = Buffer.from(content);
  const length = (payload.length + LENGTH_BYTES).toString(16).padStart(4, '0');
  return Buffer.concat([Buffer.from(length), payload]);
}

/** A line of text as latin1, without the line feed at its end. */
export function lineText(payload: Buffer): string {
  const end = payload.at(-1) === LINE_FEED ? payload.length - 1 : payload.length;
  return payload.toString('latin1', 0, end);
}

export const FLUSH_PKT = Buffer.from('0000');
export const DELIM_PKT = Buffer.from('0001');

/** Cuts arriving bytes into frames. It copies only a frame that spans two chunks, once. */
export class PktLineSplitter {
  #partial: Buffer | undefined;
  #held = 0;

  /** Take the frames before the next call. @throws SnapshotError `UPSTREAM_INVALID` */
  *split(bytes: Uint8Array): Generator<PktLine> {
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    while (at < chunk.length) {
      if (this.#held === 0 && chunk.length - at >= LENGTH_BYTES) {
        const length = parseLength(chunk, at);
        const end = at + Math.max(length, LENGTH_BYTES);
        if (end <= chunk.length) {
          yield frame(chunk, at, length);
          at = end;
          continue;
        }
      }
      this.#partial ??= Buffer.allocUnsafe(FRAME_BYTES);
      const partial = this.#partial;
      const wanted = this.#held < LENGTH_BYTES ? LENGTH_BYTES : parseLength(partial, 0);
      const taken = Math.min(wanted - this.#held, chunk.length - at);
      chunk.copy(partial, this.#held, at, at + taken);
      this.#held += taken;
      at += taken;
      if (this.#held < LENGTH_BYTES) continue;
      const length = parseLength(partial, 0);
      if (this.#held < length) continue;
      this.#held = 0;
      yield frame(partial, 0, length);
    }
  }

  /** @throws SnapshotError `UPSTREAM_INVALID` when the bytes end within a frame. */
  end(): void {
    if (this.#held === 0) return;
    throw new SnapshotError('UPSTREAM_INVALID', 'the answer ends within a pkt-line');
  }
}

/** @throws SnapshotError `UPSTREAM_INVALID` for a malformed length, or an end within a frame. */
export async function* readPktLines(source: AsyncIterable<Uint8Array>): AsyncGenerator<PktLine> {
  const splitter = new PktLineSplitter();
  for await (const chunk of source) yield* splitter.split(chunk);
  splitter.end();
}

function frame(bytes: Buffer, at: number, length: number): PktLine {
  if (length === 0) return { kind: 'flush' };
  if (length === 1) return { kind: 'delim' };
  if (length === 2) return { kind: 'end' };
  return { kind: 'data', payload: bytes.subarray(at + LENGTH_BYTES, at + length) };
}

function parseLength(bytes: Buffer, at: number): number {
  const text = bytes.toString('latin1', at, at + LENGTH_BYTES);
  const length = /^[0-9a-fA-F]{4}$/.test(text) ? Number.parseInt(text, 16) : -1;
  if (length < 0 || length === 3 || length > FRAME_BYTES) {
    throw new SnapshotError('UPSTREAM_INVALID', 'the answer has a malformed pkt-line');
  }
  return length;
}

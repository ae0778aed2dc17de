import type { Readable } from 'node:stream';
import { unlessAborted } from '../../async/abort.js';
import { SnapshotError } from '../../errors.js';
import type { Slice } from '../range.js';
import type { ByteSource } from '../recycling-body.js';
import type { ByteRange } from '../store.js';
import { toStoreError, unlessStalled } from './idle-timeout.js';

interface Rest {
  readonly body: Readable;
  readonly chunks: AsyncIterator<Uint8Array>;
}

export interface ReadDuringFillParts {
  readonly slice: Slice;
  /** Waits until the source of the rest is decided, and opens the rest there. */
  readonly openRest: (range: ByteRange, signal: AbortSignal) => Promise<Readable>;
  /** Milliseconds that the rest may take for its next bytes. */
  readonly idleTimeout: number;
  readonly onClose: () => void;
}

/** How many bytes a reader may be behind the fill. */
const MAX_BEHIND = 1024 * 1024;

/**
 * Reads a slice of an object while it is copied. A reader that keeps pace gets the bytes as they
 * arrive. A slower reader gets the rest from the finished copy, or from the shared tier. So a slow
 * reader delays nobody.
 */
export class ReadDuringFill implements ByteSource {
  readonly #parts: ReadDuringFillParts;
  readonly #stopping = new AbortController();
  readonly #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  /** The offset in the object at which the queue ends. */
  #queuedUntil: number;
  #isLive = true;
  #failure: unknown;
  #wake = () => {};
  #rest: Promise<Rest> | undefined;

  constructor(parts: ReadDuringFillParts) {
    this.#parts = parts;
    this.#queuedUntil = parts.slice.start;
  }

  get #isComplete(): boolean {
    return this.#queuedUntil === this.#parts.slice.stop;
  }

  /** Whether the reader still takes bytes as they arrive. */
  get isLive(): boolean {
    return this.#isLive && !this.#isComplete;
  }

  /** Takes the next bytes of the object. @param offset the chunk's place in the object. */
  feed(chunk: Uint8Array, offset: number): void {
    if (!this.isLive) return;
    const part = chunk.subarray(
      Math.max(0, this.#queuedUntil - offset),
      Math.max(0, this.#parts.slice.stop - offset),
    );
    const isFull = this.#queuedBytes > 0 && this.#queuedBytes + part.length > MAX_BEHIND;
    if (isFull) this.#isLive = false;
    else this.#push(part);
    this.#wake();
  }

  /** The reader takes no more bytes as they arrive. */
  fallBehind(): void {
    this.#isLive = false;
    this.#wake();
  }

  /**
   * Opens the rest if the reader fell behind, before the copy can be replaced. Called when the
   * source of the rest is decided. Returns whether the reader can go on; if not, `read` rejects.
   */
  async prepare(): Promise<boolean> {
    const isDone = this.#isComplete || this.#failure !== undefined;
    if (this.#isLive || isDone || this.#stopping.signal.aborted) return true;
    return await this.#openOnce().then(
      () => true,
      () => false,
    );
  }

  /** The fill has failed. A reader that waits for its next bytes fails too. */
  fail(error: unknown): void {
    if (!this.isLive) return;
    this.#failure = error;
    this.#wake();
  }

  async read(buffer: Buffer): Promise<number> {
    for (;;) {
      const [head] = this.#queue;
      if (head !== undefined) return this.#take(head, buffer);
      if (this.#isComplete) return 0;
      this.#stopping.signal.throwIfAborted();
      if (this.#failure !== undefined) throw this.#failure;
      if (!this.#isLive) await this.#readOn();
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  stop(): void {
    this.#stopping.abort(new SnapshotError('ABORTED', 'the body was destroyed'));
    this.#wake();
  }

  async close(): Promise<void> {
    this.#parts.onClose();
    const rest = await this.#rest?.catch(() => undefined);
    rest?.body.destroy();
  }

  async #readOn(): Promise<void> {
    const { signal } = this.#stopping;
    const { chunks } = await this.#openOnce();
    const next = unlessStalled(this.#parts.idleTimeout, chunks.next());
    const { done, value } = await unlessAborted(next, signal).catch((error: unknown) => {
      throw toStoreError(error);
    });
    if (done) throw new SnapshotError('STORE_FAILED', 'the store gave too few bytes');
    this.#push(value);
  }

  #openOnce(): Promise<Rest> {
    const range = { start: this.#queuedUntil, end: this.#parts.slice.stop - 1 };
    this.#rest ??= this.#parts
      .openRest(range, this.#stopping.signal)
      .then((body) => ({ body, chunks: body[Symbol.asyncIterator]() }));
    return this.#rest;
  }

  #push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#queue.push(chunk);
    this.#queuedBytes += chunk.length;
    this.#queuedUntil += chunk.length;
  }

  #take(head: Uint8Array, buffer: Buffer): number {
    const taken = head.subarray(0, buffer.length);
    buffer.set(taken);
    this.#queuedBytes -= taken.length;
    if (taken.length === head.length) this.#queue.shift();
    else this.#queue[0] = head.subarray(taken.length);
    return taken.length;
  }
}

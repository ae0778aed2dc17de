import { Readable } from 'node:stream';
import { destroyOnAbort } from '../../async/abort.js';
import { SnapshotError } from '../../errors.js';
import type { Slice } from '../range.js';
import type { ByteRange } from '../store.js';

/** How often a body may continue after failures of the server. */
const MAX_FAILURES = 5;

export interface ObjectBodyOptions {
  readonly signal?: AbortSignal | undefined;
  /**
   * Opens the rest of the same revision; `undefined` if it is gone. Default: a body that is cut off
   * fails.
   */
  readonly openRest?: (range: ByteRange, signal: AbortSignal) => Promise<Readable | undefined>;
}

/**
 * The bytes of a slice of an object, from answers of the server. It fails if the SDK finds that the
 * checksum differs from the stored one.
 *
 * If an answer is cut off, or its socket is idle for too long, it continues with a request for the
 * rest. It does so when its reader wants more bytes, so a reader that pauses for long holds no
 * connection. Each continuation must bring bytes: otherwise the body fails.
 */
export class ObjectBody extends Readable {
  readonly #of: string;
  readonly #openRest: ObjectBodyOptions['openRest'];
  readonly #closing = new AbortController();
  readonly #stop: number;
  #position: number;
  /** `undefined`: the answer was cut off. */
  #source: Readable | undefined;
  /** Whether bytes have come since the current answer began. */
  #hasProgress = false;
  #failures = 0;
  /** Whether the reader waits for bytes. */
  #isWanted = false;
  #isOpening = false;
  /** Why the last answer ended. */
  #cause = new Error('the connection ended');

  /** @param of names it in errors. */
  constructor(
    of: string,
    source: Readable,
    { start, stop }: Slice,
    options: ObjectBodyOptions = {},
  ) {
    super();
    this.#of = of;
    this.#position = start;
    this.#stop = stop;
    this.#openRest = options.openRest;
    this.#attach(source);
    destroyOnAbort(this, options.signal);
  }

  #attach(source: Readable): void {
    this.#source = source;
    this.#hasProgress = false;
    source.on('data', (chunk: Buffer) => this.#take(source, chunk));
    source.once('end', () => this.#end(source));
    source.once('close', () => this.#end(source));
    source.on('error', (error) => this.#end(source, error));
    if (!this.#isWanted) source.pause();
  }

  #take(source: Readable, chunk: Buffer): void {
    if (this.destroyed || source !== this.#source || chunk.length === 0) return;
    const wanted = chunk.subarray(0, this.#stop - this.#position);
    this.#position += wanted.length;
    this.#hasProgress = true;
    if (wanted.length > 0 && !this.push(wanted)) {
      this.#isWanted = false;
      source.pause();
    }
    if (wanted.length < chunk.length) this.#finish();
  }

  /** An answer has ended: perhaps with all its bytes. */
  #end(source: Readable, error?: Error): void {
    if (this.destroyed || this.readableEnded || source !== this.#source) return;
    // The SDK compares the checksum after the last byte.
    if (this.#position === this.#stop) {
      if (error === undefined) this.#finish();
      else this.#fail(error);
      return;
    }
    const missing = this.#stop - this.#position;
    this.#cause = error ?? new Error(`the connection ended ${missing} bytes too early`);
    this.#source = undefined;
    // After a pause of the reader, the end is no failure.
    if (this.#isWanted) this.#failures++;
    const mayContinue = this.#hasProgress || !this.#isWanted;
    if (this.#openRest === undefined || !mayContinue || this.#failures > MAX_FAILURES)
      this.#fail(this.#cause);
    else if (this.#isWanted) this.#continue();
  }

  #continue(): void {
    const range = { start: this.#position, end: this.#stop - 1 };
    const { signal } = this.#closing;
    const opening = this.#openRest?.(range, signal) ?? Promise.resolve(undefined);
    this.#isOpening = true;
    opening.then(
      (rest) => {
        this.#isOpening = false;
        if (this.destroyed) rest?.destroy();
        else if (rest === undefined) this.#fail(this.#cause);
        else this.#attach(rest);
      },
      (error: Error) => this.#fail(error),
    );
  }

  #fail(cause: Error): void {
    const failure = SnapshotError.is(cause)
      ? cause
      : new SnapshotError('STORE_FAILED', `${this.#of}: ${cause.message}`, { cause });
    this.destroy(failure);
  }

  #finish(): void {
    const source = this.#source;
    this.#source = undefined;
    source?.destroy();
    this.push(null);
  }

  override _read(): void {
    this.#isWanted = true;
    if (this.#source !== undefined) this.#source.resume();
    else if (!this.#isOpening && this.#position < this.#stop) this.#continue();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#closing.abort();
    this.#source?.destroy();
    callback(error);
  }
}

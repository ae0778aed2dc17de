import { addAbortSignal, Readable } from 'node:stream';
import { SnapshotError } from '../../errors.js';

/**
 * The bytes of an answer of S3. It fails when the connection ends before there were `length` bytes, or
 * when the SDK finds that they don't have the checksum they were stored with. What comes after them is
 * not read.
 */
export class AnswerBody extends Readable {
  readonly #source: Readable;
  #missing: number;

  constructor(source: Readable, length: number, signal?: AbortSignal | undefined) {
    super();
    this.#source = source;
    this.#missing = length;
    source.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onError);
    source.once('close', this.#onEnd);
    source.pause();
    if (signal !== undefined) addAbortSignal(signal, this);
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.destroyed) return;
    const wanted = chunk.subarray(0, this.#missing);
    this.#missing -= wanted.length;
    if (wanted.length > 0 && !this.push(wanted)) this.#source.pause();
    if (wanted.length < chunk.length) this.#finish();
  };

  readonly #onEnd = (): void => {
    if (this.destroyed || this.readableEnded) return;
    if (this.#missing === 0) this.#finish();
    else this.#onError(new Error(`the connection ended ${this.#missing} bytes too early`));
  };

  readonly #onError = (cause: Error): void => {
    this.destroy(new SnapshotError('STORE_FAILED', cause.message, { cause }));
  };

  #finish(): void {
    this.#source.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onEnd);
    this.#source.destroy();
    this.push(null);
  }

  override _read(): void {
    this.#source.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#source.destroy();
    callback(error);
  }
}

import { EventEmitter, once } from 'node:events';
import { type FileHandle, open, rm } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { now, type Time } from '../async/clock.js';
import { SnapshotError } from '../errors.js';
import { RecyclingBody } from '../stores/recycling-body.js';

/**
 * A file that one writer appends to, while any number of readers read it from the start, at their
 * own pace. A reader at the end waits for more bytes. Readers never slow the writer.
 *
 * Invariant: bytes below `available` never change. The file stays open until the owner and all
 * readers have ended, so that it may be renamed or removed at any time.
 */
export class Spool {
  readonly path: string;
  readonly #file: FileHandle;
  /** `change`: the file has grown, or its state has changed. */
  readonly #events = new EventEmitter<{ change: [] }>();
  #available = 0;
  /** An error: writing failed. */
  #state: 'growing' | 'complete' | SnapshotError = 'growing';
  #completeAt: Time | undefined;
  #users = 1;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
    this.#events.setMaxListeners(0);
  }

  /** Creates an empty file for a worker thread to write. @throws a system error if it exists. */
  static async create(path: string): Promise<Spool> {
    return new Spool(path, await open(path, 'wx+'));
  }

  /** When the file got its last byte; `undefined` before. */
  get completeAt(): Time | undefined {
    return this.#completeAt;
  }

  /** The first `bytes` bytes are in the file now. */
  advance(bytes: number): void {
    this.#available = bytes;
    this.#events.emit('change');
  }

  /** The file is complete now, with `bytes` bytes. */
  complete(bytes: number): void {
    this.#state = 'complete';
    this.#completeAt = now();
    this.advance(bytes);
  }

  /** Fails each reader when it has read the present bytes. Does nothing after `complete`. */
  fail(error: SnapshotError): void {
    if (this.#state !== 'growing') return;
    this.#state = error;
    this.#events.emit('change');
  }

  /** A stream of all bytes; `undefined` if the file is closed already. */
  createReader(signal?: AbortSignal): Readable | undefined {
    if (this.#users === 0) return undefined;
    this.#users++;
    const stopped = new AbortController();
    let position = 0;
    const read = async (buffer: Buffer): Promise<number> => {
      while (position >= this.#available) {
        if (this.#state === 'complete') return 0;
        if (this.#state !== 'growing') throw this.#state;
        await once(this.#events, 'change', { signal: stopped.signal });
      }
      const length = Math.min(buffer.length, this.#available - position);
      const { bytesRead } = await this.#file.read(buffer, 0, length, position);
      if (bytesRead === 0) throw new SnapshotError('INTERNAL', 'an unfinished file was cut');
      position += bytesRead;
      return bytesRead;
    };
    const source = { read, stop: () => stopped.abort(), close: () => this.release() };
    return new RecyclingBody(source, Number.POSITIVE_INFINITY, signal);
  }

  /** Ends the owner's use. Call it once. Each reader ends its own use. */
  async release(): Promise<void> {
    if (--this.#users === 0) await this.#file.close();
  }

  /** Removes the file. Readers continue. */
  async remove(): Promise<void> {
    await rm(this.path, { force: true });
  }
}

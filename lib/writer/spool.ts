import { EventEmitter, once } from 'node:events';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { SnapshotError } from '../errors.js';
import { RecyclingBody } from '../stores/recycling-body.js';
import type { ObjectBody } from '../stores/store.js';

interface SpoolEvents {
  /** The file has grown, or its state has changed. */
  change: [];
}

/**
 * A file that one writer appends to while any number of readers read it from the start, each at its
 * own pace. A reader that has caught up waits for an event; none of them slows the writer.
 *
 * Invariant: bytes below `available` never change. The file handle is closed once the owner and all
 * readers are done, so the file may be renamed or removed at any time.
 */
export class Spool {
  readonly path: string;
  readonly #file: FileHandle;
  readonly #events = new EventEmitter<SpoolEvents>();
  #available = 0;
  #state: 'growing' | 'complete' | 'failed' = 'growing';
  #failure: SnapshotError | undefined;
  #completeAt: number | undefined;
  #users = 1;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
    this.#events.setMaxListeners(0);
  }

  /** Makes an empty file that must not exist yet, to be written by somebody else. */
  static async create(path: string): Promise<Spool> {
    return new Spool(path, await open(path, 'wx+'));
  }

  /** Since when the file has had all of its bytes: by `performance.now()`. */
  get completeAt(): number | undefined {
    return this.#completeAt;
  }

  /** Says that the first `bytes` bytes lie in the file. */
  advance(bytes: number): void {
    this.#available = bytes;
    this.#events.emit('change');
  }

  /** Says that the file has all of its bytes. */
  complete(bytes: number): void {
    this.#state = 'complete';
    this.#completeAt = performance.now();
    this.advance(bytes);
  }

  /** Fails all readers, once they have read what is there. Does nothing after `complete`. */
  fail(error: SnapshotError): void {
    if (this.#state !== 'growing') return;
    this.#state = 'failed';
    this.#failure = error;
    this.#events.emit('change');
  }

  /** A stream of all bytes from the first one on; `undefined` once owner and readers are done. */
  createReader(signal?: AbortSignal): ObjectBody | undefined {
    if (this.#users === 0) return undefined;
    this.#users++;
    const stopped = new AbortController();
    let position = 0;
    const read = async (buffer: Buffer): Promise<number> => {
      while (position >= this.#available) {
        if (this.#state === 'complete') return 0;
        if (this.#state === 'failed')
          throw this.#failure ?? new SnapshotError('INTERNAL', 'failed');
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

  /** The owner is done with it. To be called once; each reader does the same for itself. */
  async release(): Promise<void> {
    if (--this.#users === 0) await this.#file.close();
  }

  /** Removes the file; readers go on. */
  async remove(): Promise<void> {
    await rm(this.path, { force: true });
  }
}

import { SnapshotError } from '../../errors.js';
import type { ObjectWriter, StoredObject } from '../store.js';
import { isPreconditionFailure } from '../write-condition.js';
import { unlessStalled } from './stall-timeout.js';

export interface BestEffortWriteOptions {
  /** Milliseconds for each step. */
  readonly timeout: number;
  /** Is told of the first failure, after which no other comes. */
  readonly onFailure: (error: unknown) => void;
  /** The caller gets it, when what is stored there refuses the write: that is no failure of the tier. */
  readonly mayBeRefused: boolean;
}

/** A write to one tier that may fail without failing its caller: from then on it does nothing. */
export class BestEffortWrite {
  readonly #options: BestEffortWriteOptions;
  #writer: ObjectWriter | undefined;

  private constructor(options: BestEffortWriteOptions) {
    this.#options = options;
  }

  /** @throws SnapshotError `PRECONDITION_FAILED` */
  static async begin(
    create: () => Promise<ObjectWriter>,
    options: BestEffortWriteOptions,
  ): Promise<BestEffortWrite> {
    const write = new BestEffortWrite(options);
    const creating = create();
    try {
      write.#writer = await unlessStalled(options.timeout, creating);
    } catch (error) {
      creating.then((writer) => writer.abort()).catch(() => {}); // it may come late
      write.#fail(error);
    }
    return write;
  }

  /** One that has failed already. */
  static none(): BestEffortWrite {
    return new BestEffortWrite({ timeout: 0, onFailure: () => {}, mayBeRefused: false });
  }

  get hasFailed(): boolean {
    return this.#writer === undefined;
  }

  /** @throws SnapshotError `PRECONDITION_FAILED` */
  async write(chunk: Uint8Array): Promise<void> {
    await this.#attempt((writer) => writer.write(chunk));
  }

  /**
   * `undefined` when it has failed.
   *
   * @throws SnapshotError `PRECONDITION_FAILED`
   */
  async commit(): Promise<StoredObject | undefined> {
    return await this.#attempt((writer) => writer.commit());
  }

  /** Never rejects. What is being written at that moment is no failure any more. */
  async abort(): Promise<void> {
    const writer = this.#writer;
    this.#writer = undefined;
    if (writer === undefined) return;
    const { timeout, onFailure } = this.#options;
    await unlessStalled(timeout, writer.abort()).catch(onFailure);
  }

  async #attempt<T>(work: (writer: ObjectWriter) => Promise<T>): Promise<T | undefined> {
    const writer = this.#writer;
    if (writer === undefined) return undefined;
    try {
      return await unlessStalled(this.#options.timeout, work(writer));
    } catch (error) {
      if (this.#writer === undefined) return undefined;
      this.#writer = undefined;
      writer.abort().catch(() => {}); // what it failed with is what counts
      this.#fail(error);
      return undefined;
    }
  }

  #fail(error: unknown): void {
    const { mayBeRefused, onFailure } = this.#options;
    if (mayBeRefused && isPreconditionFailure(error)) throw error;
    onFailure(error);
  }
}

/** @throws SnapshotError `STORE_FAILED` when no tier takes what is written any more. */
export function throwIfLost(...writes: readonly BestEffortWrite[]): void {
  if (writes.every(({ hasFailed }) => hasFailed)) throw lost();
}

export function lost(): SnapshotError {
  return new SnapshotError('STORE_FAILED', 'neither tier takes the object');
}

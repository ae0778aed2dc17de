import { SnapshotError } from '../../errors.js';
import type { ObjectWriter, StoredObject } from '../store.js';
import { isPreconditionFailure } from '../write-condition.js';
import { unlessStalled } from './stall-timeout.js';

export interface BestEffortWriteOptions {
  /** Milliseconds for each step. */
  readonly timeout: number;
  /** Gets the first failure; there is no second one. */
  readonly onFailure: (error: unknown) => void;
  /**
   * Whether `PRECONDITION_FAILED` is thrown to the caller, instead of counting as a failure of the
   * tier.
   */
  readonly mayBeRefused: boolean;
}

/** A write to one tier whose failure does not fail the caller. After a failure it does nothing. */
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
      creating.then((writer) => writer.abort()).catch(() => {}); // the writer may come late
      write.#fail(error);
    }
    return write;
  }

  /** A write that has already failed. */
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
   * Returns `undefined` if the write has failed.
   *
   * @throws SnapshotError `PRECONDITION_FAILED`
   */
  async commit(): Promise<StoredObject | undefined> {
    return await this.#attempt((writer) => writer.commit());
  }

  /** Never rejects. A step that is still running is no longer reported if it fails. */
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
      writer.abort().catch(() => {}); // the first failure is the one to report
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

/** @throws SnapshotError `STORE_FAILED` if all writes have failed. */
export function throwIfBothFailed(...writes: readonly BestEffortWrite[]): void {
  if (writes.every(({ hasFailed }) => hasFailed)) throw bothTiersFailed();
}

export function bothTiersFailed(): SnapshotError {
  return new SnapshotError('STORE_FAILED', 'neither tier takes the object');
}

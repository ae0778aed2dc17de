import type { ObjectWriter, StoredObject } from '../store.js';
import { unlessStalled } from './stall-timeout.js';

/**
 * A write to one tier. Its failure does not fail the caller: after a failure, all methods do
 * nothing. They throw only errors that `onFailure` throws.
 */
export class BestEffortWrite {
  readonly #timeout: number;
  readonly #onFailure: (error: unknown) => void;
  #writer: ObjectWriter | undefined;

  private constructor(timeout: number, onFailure: (error: unknown) => void) {
    this.#timeout = timeout;
    this.#onFailure = onFailure;
  }

  /**
   * @param timeout milliseconds for each step.
   * @param onFailure gets the first failure. Later ones are not reported.
   */
  static async begin(
    create: () => Promise<ObjectWriter>,
    timeout: number,
    onFailure: (error: unknown) => void,
  ): Promise<BestEffortWrite> {
    const write = new BestEffortWrite(timeout, onFailure);
    const creating = create();
    try {
      write.#writer = await unlessStalled(timeout, creating);
    } catch (error) {
      creating.then((writer) => writer.abort()).catch(() => {}); // the writer may come late
      onFailure(error);
    }
    return write;
  }

  /** A write that has already failed. */
  static none(): BestEffortWrite {
    return new BestEffortWrite(0, () => {});
  }

  get hasFailed(): boolean {
    return this.#writer === undefined;
  }

  async write(chunk: Uint8Array): Promise<void> {
    await this.#attempt((writer) => writer.write(chunk));
  }

  /** Returns `undefined` if the write has failed. */
  async commit(): Promise<StoredObject | undefined> {
    return await this.#attempt((writer) => writer.commit());
  }

  /** If a step is still running, its failure is not reported. */
  async abort(): Promise<void> {
    const writer = this.#writer;
    this.#writer = undefined;
    if (writer === undefined) return;
    await unlessStalled(this.#timeout, writer.abort()).catch(this.#onFailure);
  }

  async #attempt<T>(work: (writer: ObjectWriter) => Promise<T>): Promise<T | undefined> {
    const writer = this.#writer;
    if (writer === undefined) return undefined;
    try {
      return await unlessStalled(this.#timeout, work(writer));
    } catch (error) {
      if (this.#writer === undefined) return undefined;
      this.#writer = undefined;
      writer.abort().catch(() => {}); // the first failure is the one to report
      this.#onFailure(error);
      return undefined;
    }
  }
}

import { TarFrames } from '../archive/tar-frames.js';
import type { ZstdEncoder } from '../archive/zstd.js';
import { planCheckout } from '../checkout/checkout-plan.js';
import type { CheckoutPlan } from '../checkout/planned-tree.js';
import type { Limits } from '../options.js';
import type { ObjectReader } from '../pack/reader.js';
import { writeCheckout } from './checkout-writer.js';

/** A checkout to be made; structured-cloneable. */
export interface CheckoutTask {
  /** Paths of the packs, without ending. */
  readonly packs: readonly string[];
  /** The id of HEAD's tree; `undefined` where there is no commit. */
  readonly tree: string | undefined;
  /** Of every file, in whole seconds since the epoch. */
  readonly mtime: number;
  readonly compressionLevel: number;
  readonly limits: Limits;
}

/** The last part of an archive in the making, in this thread or in another one. */
export interface ArchivedCheckout {
  /**
   * Whether everything has been found that can be before files are read: no byte of the archive is to
   * be shown before that. To be asked now and then, while something else is done.
   *
   * @throws SnapshotError what the checkout failed with so far: as `planCheckout` and `writeCheckout`.
   */
  isPlanned(): Promise<boolean>;
  /**
   * Makes the working tree, the index and the end of the archive.
   *
   * @throws SnapshotError likewise; the signal's reason, after the frame at hand.
   */
  write(onFrame: (frame: Uint8Array) => void, signal: AbortSignal): Promise<void>;
  /** Idempotent. */
  close(): Promise<void>;
}

/** Makes the checkout in this thread, and plans it at once. */
export class Checkout implements ArchivedCheckout {
  readonly #task: CheckoutTask;
  readonly #reader: ObjectReader;
  readonly #encoder: ZstdEncoder;
  readonly #plan: CheckoutPlan | undefined;

  /** @throws SnapshotError as `planCheckout`. */
  constructor(task: CheckoutTask, reader: ObjectReader, encoder: ZstdEncoder) {
    this.#task = task;
    this.#reader = reader;
    this.#encoder = encoder;
    if (task.tree !== undefined) this.#plan = planCheckout(reader, task.tree, task.limits);
  }

  async isPlanned(): Promise<boolean> {
    return true;
  }

  async write(onFrame: (frame: Uint8Array) => void, signal: AbortSignal): Promise<void> {
    const { mtime, limits } = this.#task;
    const tar = new TarFrames(this.#encoder, onFrame);
    if (this.#plan !== undefined) {
      await writeCheckout(this.#plan, this.#reader, tar, { mtime, limits, signal });
    }
    tar.end();
  }

  async close(): Promise<void> {}
}

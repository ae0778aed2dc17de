import { TarFrames } from '../archive/tar-frames.js';
import type { ZstdEncoder } from '../archive/zstd.js';
import { planCheckout } from '../checkout/checkout-plan.js';
import type { WorkLimits } from '../config/options.js';
import type { ObjectReader } from '../pack/reader.js';
import { writeCheckout } from './checkout-writer.js';

/** Structured-cloneable. */
export interface CheckoutTask {
  /** Paths of the packs, without ending. */
  readonly packs: readonly string[];
  /** The id of HEAD's tree; `undefined` if the repository has no commit. */
  readonly tree: string | undefined;
  /** The time of all files, in whole seconds since the epoch. */
  readonly mtime: number;
  readonly compressionLevel: number;
  readonly limits: WorkLimits;
}

export interface CheckoutThreadTask extends CheckoutTask {
  /** Of the `SharedRoom` for frames. */
  readonly cell: SharedArrayBuffer;
}

/** The most bytes of frames that wait until the packs are written. */
export const WAITING_BYTES = 16 * 1024 * 1024;

export type CheckoutEvent =
  | { readonly kind: 'planned' }
  | { readonly kind: 'frame'; readonly frame: Uint8Array };

/** Working tree and index: the last part of an archive, made in this thread or in another one. */
export interface ArchivedCheckout {
  /**
   * Until it is planned, no byte may be sent: a failure can still be answered with an error.
   *
   * @throws SnapshotError if the checkout has failed, as `planCheckout` and `writeCheckout`.
   */
  isPlanned(): Promise<boolean>;
  /**
   * Writes the working tree, the index and the end of the archive.
   *
   * @throws SnapshotError as `writeCheckout`; the signal's reason, after the current frame.
   */
  write(onFrame: (frame: Uint8Array) => void, signal: AbortSignal): Promise<void>;
  /** Idempotent. */
  close(): Promise<void>;
}

/** A checkout in this thread. Plans it at once. @throws SnapshotError as `planCheckout`. */
export function createCheckout(
  task: CheckoutTask,
  reader: ObjectReader,
  encoder: ZstdEncoder,
): ArchivedCheckout {
  const { tree, mtime, limits } = task;
  const plan = tree === undefined ? undefined : planCheckout(reader, tree, limits);
  return {
    isPlanned: async () => true,
    write: async (onFrame, signal) => {
      const tar = new TarFrames(encoder, onFrame);
      if (plan !== undefined) await writeCheckout({ plan, reader, tar, mtime, limits, signal });
      tar.end();
    },
    close: async () => {},
  };
}

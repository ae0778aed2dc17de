import { bytes, duration } from '../check-options.js';

const GIB = 1024 ** 3;

/** The checks of `KeepReplacedOptions`. */
export const keepReplaced = {
  keepReplacedFor: duration.default(600_000),
  maxReplacedBytes: bytes.default(16 * GIB),
};

export interface KeepReplaced {
  readonly keepReplacedFor: number;
  readonly maxReplacedBytes: number;
}

export interface Replaced {
  readonly bytes: number;
  /** When it was replaced: milliseconds since the epoch. */
  readonly at: number;
}

/** Selects the replaced versions that have expired, and the oldest that exceed the budget. */
export function excessive<Kept extends Replaced>(
  oldestFirst: readonly Kept[],
  { keepReplacedFor, maxReplacedBytes }: KeepReplaced,
): Kept[] {
  let excess = oldestFirst.reduce((total, { bytes }) => total + bytes, -maxReplacedBytes);
  return oldestFirst.filter(({ bytes, at }) => {
    const goes = excess > 0 || hasExpired(at, keepReplacedFor);
    if (goes) excess -= bytes;
    return goes;
  });
}

/** A date in the future counts as expired: the clock was set back, so the age is unknown. */
export function hasExpired(at: number, keepReplacedFor: number): boolean {
  return Math.abs(Date.now() - at) >= keepReplacedFor;
}

/** Calls `sweep` when the oldest version expires. Does not keep the process alive. */
export class SweepTimer {
  readonly #keepReplacedFor: number;
  readonly #sweep: () => void;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor({ keepReplacedFor }: KeepReplaced, sweep: () => void) {
    this.#keepReplacedFor = keepReplacedFor;
    this.#sweep = sweep;
  }

  /** @param oldest the next version to expire, if there is one. */
  set(oldest: Replaced | undefined): void {
    clearTimeout(this.#timer);
    if (oldest === undefined || this.#isClosed) return;
    const left = oldest.at + this.#keepReplacedFor - Date.now();
    const delay = Math.min(left, this.#keepReplacedFor);
    this.#timer = setTimeout(this.#sweep, delay).unref();
  }

  /** Stops the timer for good. Idempotent. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }
}

import { elapsedSince, now } from '../async/clock.js';

/** A task takes at most this part of the time. */
const PART = 1 / 20;

/**
 * A task that runs soon after it was requested: once for all requests meanwhile, and never twice at
 * once. Keeps no process alive.
 */
export class CoalescedTask {
  readonly #run: () => Promise<void>;
  readonly #minDelay: number;
  readonly #report: (error: unknown) => void;
  #delay: number;
  #isRequested = false;
  #isRunning = false;
  #timer: NodeJS.Timeout | undefined;

  /** @param minDelay milliseconds. @param report gets the errors of runs. */
  constructor(run: () => Promise<void>, minDelay: number, report: (error: unknown) => void) {
    this.#run = run;
    this.#report = report;
    this.#minDelay = minDelay;
    this.#delay = minDelay;
  }

  request(): void {
    this.#isRequested = true;
    if (this.#isRunning || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => void this.#begin(), this.#delay).unref();
  }

  /** Drops what was requested. Later requests count. */
  stop(): void {
    this.#isRequested = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async #begin(): Promise<void> {
    this.#timer = undefined;
    this.#isRequested = false;
    this.#isRunning = true;
    const since = now();
    await this.#run().catch(this.#report);
    this.#delay = Math.max(this.#minDelay, elapsedSince(since) / PART);
    this.#isRunning = false;
    if (this.#isRequested) this.request();
  }
}

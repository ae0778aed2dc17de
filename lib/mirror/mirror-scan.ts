import { setTimeout } from 'node:timers/promises';

/** Mirrors between two pauses. */
const BATCH = 50;

/**
 * Looks at all mirrors in the background, half of the time: the service may be busy meanwhile.
 * Requests open their mirrors themselves.
 */
export class MirrorScan {
  readonly #look: (paths: readonly string[]) => Promise<void>;
  readonly #closing: AbortSignal;
  /** Aborts when a caller waits for the end. */
  readonly #hurry = new AbortController();
  /** Ends the pauses. */
  readonly #goOn: AbortSignal;
  #running: Promise<void> | undefined;
  #isDone = false;

  /**
   * @param look looks at the mirrors at some paths. Never rejects.
   * @param closing ends the scan.
   */
  constructor(look: (paths: readonly string[]) => Promise<void>, closing: AbortSignal) {
    this.#look = look;
    this.#closing = closing;
    this.#goOn = AbortSignal.any([this.#hurry.signal, closing]);
  }

  /** Whether all mirrors were looked at. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** Begins the scan. @param atEnd called when all mirrors were looked at. Never rejects. */
  begin(paths: readonly string[], atEnd: () => Promise<void>): void {
    this.#running ??= this.#run(paths, atEnd);
  }

  /** Goes on without pauses. Resolves when the scan has ended; at once if it has not begun. */
  async finish(): Promise<void> {
    this.#hurry.abort();
    await this.#running;
  }

  async #run(paths: readonly string[], atEnd: () => Promise<void>): Promise<void> {
    for (let at = 0; at < paths.length; at += BATCH) {
      if (this.#closing.aborted) return;
      const begun = performance.now();
      await this.#look(paths.slice(at, at + BATCH));
      if (at + BATCH >= paths.length) break;
      const pause = performance.now() - begun;
      await setTimeout(pause, undefined, { signal: this.#goOn, ref: false }).catch(() => {});
    }
    if (this.#closing.aborted) return;
    this.#isDone = true;
    await atEnd();
  }
}

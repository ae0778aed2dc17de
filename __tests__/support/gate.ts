import { once } from 'node:events';
import { interruptAt } from './pack-filters.js';
import type { PackFilter } from './pack-stream.js';

/** Holds packs back at an offset until the test opens it. */
export class Gate {
  /** Resolves when the first pack has been sent up to the gate. */
  readonly reached: Promise<void>;
  readonly #offset: number;
  readonly #opened = new AbortController();
  #arrive = () => {};

  /** @param offset bytes of the pack that pass. */
  constructor(offset: number) {
    this.#offset = offset;
    this.reached = new Promise((resolve) => {
      this.#arrive = resolve;
    });
  }

  /** Lets all packs pass from now on. Idempotent. */
  release(): void {
    this.#opened.abort();
  }

  filter(signal: AbortSignal): PackFilter {
    return interruptAt(this.#offset, async () => {
      this.#arrive();
      const either = AbortSignal.any([this.#opened.signal, signal]);
      if (!either.aborted) await once(either, 'abort');
      signal.throwIfAborted();
      return true;
    });
  }
}

import { unlessAborted } from './abort.js';
import { elapsedSince, now, type Time } from './clock.js';

/** Milliseconds for which an answer holds. */
export const MAX_AGE = 3000;
/** Milliseconds after which a question without an answer counts as a failure. */
const DEADLINE = 10_000;

/** `late`: there was no answer before the deadline. */
export type Answer<T> = {
  /** When the answer came: milliseconds since the epoch. */
  readonly date: number;
  readonly durationMs: number;
} & (
  | { readonly kind: 'value'; readonly value: T }
  | { readonly kind: 'error'; readonly error: unknown }
  | { readonly kind: 'late' }
);

/**
 * Asks a dependency how it is, and keeps the last answer. Asks only when a caller wants an answer and
 * the last one is too old, and only one question at a time: questions to a dependency that hangs and
 * ignores its signal must not pile up.
 */
export class Probe<T> {
  readonly #ask: (signal: AbortSignal) => Promise<T>;
  readonly #closing: AbortSignal;
  #last: (Answer<T> & { readonly at: Time }) | undefined;
  /** Resolves when there is an answer, or the deadline is over. */
  #answered: Promise<void> = Promise.resolve();
  /** Resolves when the question has ended, which may be later. */
  #ended: Promise<void> = Promise.resolve();
  #isAsking = false;

  /** @param closing ends the question; no other one begins. */
  constructor(ask: (signal: AbortSignal) => Promise<T>, closing: AbortSignal) {
    this.#ask = ask;
    this.#closing = closing;
  }

  /** The last answer; `undefined`: there was none yet. */
  get last(): Answer<T> | undefined {
    return this.#last;
  }

  /** Resolves when the last answer is a recent one, or the deadline of the question is over. */
  async refresh(): Promise<void> {
    const isRecent = this.#last !== undefined && elapsedSince(this.#last.at) < MAX_AGE;
    if (!this.#isAsking && !isRecent && !this.#closing.aborted) this.#begin();
    await this.#answered;
  }

  /** Resolves when no question is under way. */
  async settled(): Promise<void> {
    await this.#ended;
  }

  #begin(): void {
    const deadline = AbortSignal.timeout(DEADLINE);
    const signal = AbortSignal.any([this.#closing, deadline]);
    const askedAt = now();
    const asked = (async () => this.#ask(signal))();
    const about = () => ({ at: now(), date: Date.now(), durationMs: elapsedSince(askedAt) });
    this.#isAsking = true;
    this.#answered = unlessAborted(asked, signal).then(
      (value) => {
        this.#last = { kind: 'value', value, ...about() };
      },
      (error: unknown) => {
        if (this.#closing.aborted) return;
        this.#last = deadline.aborted
          ? { kind: 'late', ...about() }
          : { kind: 'error', error, ...about() };
      },
    );
    const end = () => {
      this.#isAsking = false;
    };
    this.#ended = asked.then(end, end);
  }
}

/** The longest delay of a timer, in milliseconds: Node's timers hold 31 bits. */
export const MAX_DELAY = 0x7fff_ffff;

/**
 * Calls `late` after some milliseconds, and after sockets were read: if this process stood still,
 * the awaited bytes may already be there, and Node runs timers first. Does not keep the process
 * alive.
 */
export class Deadline {
  readonly #timer: NodeJS.Timeout;
  #afterInput: NodeJS.Immediate | undefined;

  constructor(milliseconds: number, late: () => void) {
    this.#timer = setTimeout(() => {
      this.#afterInput = setImmediate(late);
    }, milliseconds).unref();
  }

  /** Begins anew, also after `late` was called. Costs less than another timer. */
  restart(): void {
    clearImmediate(this.#afterInput);
    this.#timer.refresh();
  }

  cancel(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#afterInput);
  }
}

/** As `Deadline`. @returns a function that cancels the call. */
export function atDeadline(milliseconds: number, late: () => void): () => void {
  const deadline = new Deadline(milliseconds, late);
  return () => deadline.cancel();
}

/** Settles like `promise`, or rejects after some milliseconds. The work goes on. */
export function unlessLate<T>(
  promise: Promise<T>,
  milliseconds: number,
  late: () => Error,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const cancel = atDeadline(milliseconds, () => reject(late()));
    promise.then(resolve, reject).finally(cancel);
  });
}

/** Settles like `promise`, or resolves after some milliseconds. */
export function orLater(promise: Promise<unknown>, milliseconds: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = atDeadline(milliseconds, resolve);
    promise.then(() => resolve(), reject).finally(cancel);
  });
}

/**
 * Runs work under a time limit. When the time is over, the work's signal aborts. If the work then
 * fails, this throws the error that `late` makes.
 *
 * @param signal ends the work earlier.
 * @param work may call `renew` to restart its time limit.
 */
export async function withDeadline<T>(
  milliseconds: number,
  signal: AbortSignal,
  work: (signal: AbortSignal, renew: () => void) => Promise<T>,
  late: (cause: unknown) => Error,
): Promise<T> {
  const over = new AbortController();
  let cancel = () => {};
  const renew = () => {
    cancel();
    const deadline = AbortSignal.timeout(milliseconds);
    const onLate = () => over.abort(deadline.reason);
    deadline.addEventListener('abort', onLate);
    // With a listener, the timer of the signal would keep it in memory until the deadline.
    cancel = () => deadline.removeEventListener('abort', onLate);
  };
  renew();
  try {
    return await work(AbortSignal.any([signal, over.signal]), renew);
  } catch (error) {
    throw over.signal.aborted && !signal.aborted ? late(error) : error;
  } finally {
    cancel();
  }
}

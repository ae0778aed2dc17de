/** The longest delay of a timer, in milliseconds: Node's timers hold 31 bits. */
export const MAX_DELAY = 0x7fff_ffff;

/**
 * Calls `late` after some milliseconds. If this process stood still meanwhile, the awaited bytes
 * may already lie in a socket. Node runs timers before it reads sockets, so `late` is called only
 * after sockets were read. The timer does not keep the process alive.
 *
 * @returns a function that cancels the call.
 */
export function atDeadline(milliseconds: number, late: () => void): () => void {
  let afterInput: NodeJS.Immediate | undefined;
  const timer = setTimeout(() => {
    afterInput = setImmediate(late);
  }, milliseconds).unref();
  return () => {
    clearTimeout(timer);
    clearImmediate(afterInput);
  };
}

/**
 * Settles like `promise`, or rejects after some milliseconds with the error that `late` makes. The
 * work behind the promise goes on.
 */
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
 * Runs work under a time limit. When the time is over, the signal that the work got aborts. If the
 * work then fails, the error that `late` makes is thrown. Other errors are passed on.
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
  const onLate = () => over.abort(deadline.reason);
  let deadline = AbortSignal.timeout(milliseconds);
  deadline.addEventListener('abort', onLate);
  const renew = () => {
    deadline.removeEventListener('abort', onLate);
    deadline = AbortSignal.timeout(milliseconds);
    deadline.addEventListener('abort', onLate);
  };
  try {
    return await work(AbortSignal.any([signal, over.signal]), renew);
  } catch (error) {
    throw over.signal.aborted && !signal.aborted ? late(error) : error;
  } finally {
    // With a listener, the timer of the signal would keep it in memory until the deadline.
    deadline.removeEventListener('abort', onLate);
  }
}

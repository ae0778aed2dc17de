/**
 * Settles like `promise`, or rejects with the signal's reason as soon as that aborts. What the promise
 * stands for goes on by itself.
 */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    // Attached in any case: a failure that nobody listens to would end the process.
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort);
  });
}

/**
 * Calls `late` after so many milliseconds, unless that is cancelled before. When this process stood still
 * meanwhile, what it waits for may lie in a socket already, and timers come first: it is taken from there
 * before `late` is called. The timer does not keep the process alive.
 *
 * @returns cancels it.
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
 * Settles like `promise`, or rejects with what `late` makes when that takes longer. What the promise
 * stands for goes on by itself. The timer does not keep the process alive.
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

/** Settles like `promise`, or resolves after so many milliseconds. What the promise stands for goes on. */
export async function orLater(promise: Promise<unknown>, milliseconds: number): Promise<void> {
  const late = new Error('late');
  try {
    await unlessLate(promise, milliseconds, () => late);
  } catch (error) {
    if (error !== late) throw error;
  }
}

/**
 * Does work that must end within so many milliseconds: then the signal that it was given aborts, and
 * it fails with what `late` makes of that. Any other failure is passed on.
 *
 * @param signal ends the work before that.
 * @param work may call `renew` to get the same time again, from then on.
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
    // With a listener, its timer would keep it in memory until then.
    deadline.removeEventListener('abort', onLate);
  }
}

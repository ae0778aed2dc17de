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
 * Does work that must end within so many milliseconds: then the signal that it was given aborts, and
 * it fails with what `late` makes of that. Any other failure is passed on.
 *
 * @param signal ends the work before that.
 */
export async function withDeadline<T>(
  milliseconds: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
  late: (cause: unknown) => Error,
): Promise<T> {
  const deadline = AbortSignal.timeout(milliseconds);
  try {
    return await work(AbortSignal.any([signal, deadline]));
  } catch (error) {
    throw deadline.aborted && !signal.aborted ? late(error) : error;
  }
}

import { finished, type Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { isNativeError } from 'node:util/types';

/** Settles like `promise`, or rejects with the signal's reason when it aborts. The work goes on. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    // Attached even if the signal has aborted: a failure without a listener would end the process.
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort);
  });
}

/**
 * A call of the host app: ends with the signal's own reason when it aborts, whatever the work makes
 * of the signal. Work that has begun goes on.
 *
 * @param discard gets a result that comes after the abort.
 */
export async function abortable<T>(
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
  discard: (late: T) => void = () => {},
): Promise<T> {
  signal?.throwIfAborted();
  const running = work();
  return await unlessAborted(running, signal).catch((error: unknown) => {
    running.then(discard).catch(() => {});
    throw error;
  });
}

/**
 * Yields the pieces of synchronous work. Lets messages arrive after each, such as an abort.
 *
 * @throws the signal's reason.
 */
export async function* interruptible<T>(
  pieces: Iterable<T>,
  signal: AbortSignal,
): AsyncGenerator<T> {
  for (const piece of pieces) {
    yield piece;
    await setImmediate();
    signal.throwIfAborted();
  }
}

/** Destroys a stream with the signal's own reason when it aborts. */
export function destroyOnAbort(stream: Readable, signal: AbortSignal | undefined): void {
  if (signal === undefined) return;
  const onAbort = () => {
    const reason: unknown = signal.reason;
    const isError = reason instanceof Error || isNativeError(reason);
    stream.destroy(isError ? reason : new Error('aborted', { cause: reason }));
  };
  // Listens to errors, too: a body that nobody reads yet must not end the process.
  finished(stream, () => signal.removeEventListener('abort', onAbort));
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
}

import type { Cleanup } from './temporary-directory.js';

/**
 * Takes deadlines of so many milliseconds (`AbortSignal.timeout`) from the clock until the test is over: they
 * pass when the test says so. Others are as ever.
 *
 * @param atOnce how many pass when the test says so: the first ones. Default: all that were set so far.
 * @returns lets those pass that were set so far.
 */
export function holdDeadlines(
  defer: Cleanup['defer'],
  milliseconds: number,
  atOnce = Number.POSITIVE_INFINITY,
): () => void {
  const { timeout } = AbortSignal;
  const held: AbortController[] = [];
  AbortSignal.timeout = (delay) => {
    if (delay !== milliseconds) return timeout.call(AbortSignal, delay);
    const deadline = new AbortController();
    held.push(deadline);
    return deadline.signal;
  };
  defer(() => {
    AbortSignal.timeout = timeout;
  });
  return () => {
    if (held.length === 0) throw new Error(`no deadline of ${milliseconds} ms was set`);
    const reason = new DOMException('The test let the deadline pass', 'TimeoutError');
    for (const deadline of held.splice(0, atOnce)) deadline.abort(reason);
  };
}

/** Until the test is over, each deadline of this many milliseconds passes as soon as it is set. */
export function passDeadlines(defer: Cleanup['defer'], milliseconds: number): void {
  const { timeout } = AbortSignal;
  AbortSignal.timeout = (delay) => {
    if (delay !== milliseconds) return timeout.call(AbortSignal, delay);
    const deadline = new AbortController();
    queueMicrotask(() => deadline.abort(new DOMException('The test passed it', 'TimeoutError')));
    return deadline.signal;
  };
  defer(() => {
    AbortSignal.timeout = timeout;
  });
}

import { elapsedSince, now } from '../async/clock.js';

/** Makes a call. @param report gets how long it took, and its error: `undefined` if it succeeded. */
export async function measured<T>(
  call: () => Promise<T>,
  report: (seconds: number, error: unknown) => void,
): Promise<T> {
  const since = now();
  try {
    const result = await call();
    report(elapsedSince(since) / 1000, undefined);
    return result;
  } catch (error) {
    report(elapsedSince(since) / 1000, error);
    throw error;
  }
}

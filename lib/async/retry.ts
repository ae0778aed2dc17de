/**
 * Calls `attempt` until it returns a value.
 *
 * @param attempt gets the number of the attempt, from 1 on. `undefined` asks for another attempt.
 * @param exhausted makes the error that is thrown after the last attempt.
 * @throws what `attempt` throws, at once.
 */
export async function retry<T>(
  times: number,
  attempt: (number: number) => Promise<T | undefined>,
  exhausted: () => unknown,
): Promise<T> {
  for (let number = 1; number <= times; number++) {
    const result = await attempt(number);
    if (result !== undefined) return result;
  }
  throw exhausted();
}

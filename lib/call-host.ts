import { inspect } from 'node:util';

/**
 * Calls a function of the host app. Its errors become warnings of the process: they must neither
 * fail our work nor end the process.
 *
 * @param what names the called function in the warning: "a logger".
 */
export function callHost(what: string, call: () => unknown): void {
  const report = (error: unknown) => {
    process.emitWarning(`${what} of the host app failed`, { detail: inspect(error) });
  };
  try {
    const result = call();
    if (result instanceof Promise) result.catch(report);
  } catch (error) {
    report(error);
  }
}

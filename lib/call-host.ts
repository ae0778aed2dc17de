import { inspect } from 'node:util';
import { messageOf } from './errors.js';

/**
 * Calls a function of the host app. Its errors become warnings of the process: they must neither
 * fail our work nor end the process.
 *
 * @param what names the called function in the warning: "a logger".
 */
export function callHost(what: string, call: () => unknown): void {
  const report = (error: unknown) => {
    process.emitWarning(`${what} of the host app failed`, { detail: describe(error) });
  };
  try {
    const result = call();
    if (result instanceof Promise) result.catch(report);
  } catch (error) {
    report(error);
  }
}

function describe(error: unknown): string {
  try {
    return inspect(error);
  } catch (unreadable) {
    // A method of the error, which `inspect` called, failed as well.
    return messageOf(unreadable);
  }
}

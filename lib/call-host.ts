import { inspect } from 'node:util';
import type { SnapshotErrorCode } from './error-codes.js';
import { messageOf, SnapshotError } from './errors.js';

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

/** Of a chain of causes, which may be a circle, the log gets this many. */
const MAX_CAUSES = 5;

/**
 * The failure of our work because a function of the host app has failed. Its message names the
 * function, and what it threw with all causes: most loggers print nothing else of an error.
 *
 * @param what names the function: "authorize".
 */
export function hostFailure(
  what: string,
  thrown: unknown,
  code: SnapshotErrorCode = 'INTERNAL',
): SnapshotError {
  const message = [`${what} failed`, ...messagesOf(thrown)].join(': ');
  return new SnapshotError(code, message, { cause: thrown });
}

/** Without repetitions: clients of HTTP often take over the message of the cause. */
function messagesOf(thrown: unknown): Set<string> {
  const messages = new Set([messageOf(thrown)]);
  let cause = causeOf(thrown);
  for (let count = 0; cause !== undefined && count < MAX_CAUSES; count++) {
    messages.add(messageOf(cause));
    cause = causeOf(cause);
  }
  return messages;
}

/** `undefined` also if the cause can't be read. */
function causeOf(error: unknown): unknown {
  try {
    return error instanceof Error ? error.cause : undefined;
  } catch {
    return undefined;
  }
}

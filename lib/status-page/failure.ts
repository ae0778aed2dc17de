import type { SnapshotError } from '../errors.js';
import type { RowFailure } from './messages.js';

/** Characters of a message that the page shows: messages may quote an upstream. */
const MAX_MESSAGE = 500;

export function failureOf(
  { code, message }: SnapshotError,
  during: string,
  at?: number,
): RowFailure {
  return { code, message: shortened(message), during, at };
}

export function shortened(text: string): string {
  return text.length <= MAX_MESSAGE ? text : `${text.slice(0, MAX_MESSAGE - 1)}…`;
}

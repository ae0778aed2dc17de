import type { IncomingMessage } from 'node:http';

// Parts of answers that the client of upstreams and the restore client read.

export const MAX_REDIRECTS = 5;

export function isRedirect({ statusCode = 0 }: IncomingMessage): boolean {
  return [301, 302, 303, 307, 308].includes(statusCode);
}

/**
 * The target of a redirect, without credentials. `undefined`: there is no valid `Location`, or its
 * scheme is not allowed. https always is; http only from an http URL.
 */
export function redirectTarget(from: URL, location: string | undefined): URL | undefined {
  if (location === undefined || !URL.canParse(location, from.href)) return undefined;
  const to = new URL(location, from);
  to.username = '';
  to.password = '';
  const isSafe = to.protocol === 'https:' || (to.protocol === 'http:' && from.protocol === 'http:');
  return isSafe ? to : undefined;
}

/** As RFC 9111, 1.2.2 has it for numbers of seconds that are too large: 68 years. */
const MAX_SECONDS = 2 ** 31;

/** `Retry-After` (RFC 9110, 10.2.3) in whole seconds from now; `undefined`: missing, malformed. */
export function parseRetryAfter(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const seconds = /^\d+$/.test(value)
    ? Number(value)
    : Math.ceil((Date.parse(value) - Date.now()) / 1000);
  return Number.isNaN(seconds) ? undefined : Math.min(Math.max(0, seconds), MAX_SECONDS);
}

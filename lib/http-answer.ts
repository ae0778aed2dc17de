/**
 * `Retry-After` (RFC 9110, 10.2.3), seconds or a date, as whole seconds from now; `undefined` when it
 * is missing or neither.
 */
export function parseRetryAfter(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const seconds = /^\d+$/.test(value)
    ? Number(value)
    : Math.ceil((Date.parse(value) - Date.now()) / 1000);
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds);
}

import { SnapshotError } from '../errors.js';

export const MAX_REDIRECTS = 5;

export function isRedirect(statusCode: number): boolean {
  return [301, 302, 303, 307, 308].includes(statusCode);
}

/**
 * Finds the new base URL of a repository whose ref advertisement redirects. As in git, the target
 * must be the ref advertisement below another base URL, and later requests go to that base.
 * Credentials and the fragment of the target are dropped.
 *
 * @param from the `…/info/refs?service=…` that answered with the redirect.
 * @param allowed URLs with a slash at the end. The new base must be below one of them.
 * @returns the new base URL, without a trailing slash.
 * @throws SnapshotError `UPSTREAM_INVALID`, without the target's text, which may contain a secret.
 */
export function redirectedBase(
  from: URL,
  location: string | string[] | undefined,
  allowed: readonly string[],
): string {
  if (typeof location !== 'string' || !URL.canParse(location, from.href)) {
    throw refused(from, 'has no single valid Location');
  }
  const to = new URL(location, from);
  if (to.protocol !== 'https:' && !(to.protocol === 'http:' && from.protocol === 'http:')) {
    throw refused(from, 'leaves https');
  }
  if (!to.pathname.endsWith('/info/refs') || to.search !== from.search) {
    throw refused(from, 'does not lead to the ref advertisement of a repository');
  }
  const base = to.origin + to.pathname.slice(0, -'/info/refs'.length);
  if (!allowed.some((other) => isBelow(base, other))) {
    throw refused(from, 'leads to where the options of its host do not let it');
  }
  return base;
}

/** Some servers decode a slash before they resolve dots: `..%2f` would lead out of the base. */
const ENCODED_SLASH = /%(?:2f|5c)/i;

function isBelow(url: string, base: string): boolean {
  return url.startsWith(base) && !ENCODED_SLASH.test(url.slice(base.length));
}

function refused(from: URL, why: string): SnapshotError {
  return new SnapshotError('UPSTREAM_INVALID', `a redirect of ${from.host} ${why}`);
}

import { SnapshotError } from '../errors.js';
import { redirectTarget } from '../read-http-answer.js';

/**
 * The new base URL of a repository whose ref advertisement redirects. As in git, the target must be
 * the ref advertisement below another base URL, and later requests go to that base.
 *
 * @param from the `…/info/refs?service=…` that answered with the redirect.
 * @param allowed URLs with a slash at the end. The new base must be below one of them.
 * @returns a URL without a trailing slash, credentials and fragment.
 * @throws SnapshotError `UPSTREAM_INVALID`, without the target's text, which may contain a secret.
 */
export function redirectedBase(
  from: URL,
  location: string | undefined,
  allowed: readonly string[],
): string {
  const to = redirectTarget(from, location);
  if (to === undefined) throw refused(from, 'has no single valid Location, or leaves https');
  if (!to.pathname.endsWith('/info/refs') || to.search !== from.search) {
    throw refused(from, 'does not lead to the ref advertisement of a repository');
  }
  const base = to.origin + to.pathname.slice(0, -'/info/refs'.length);
  if (!allowed.some((other) => isBelow(base, other))) {
    throw refused(from, 'leads to a URL that the options of its host do not allow');
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

import { SnapshotError } from '../errors.js';

export const MAX_REDIRECTS = 5;

export function isRedirect(statusCode: number): boolean {
  return [301, 302, 303, 307, 308].includes(statusCode);
}

/**
 * Where a repository is served when its ref advertisement redirects: as in git, the target must be
 * the advertisement of another base URL, and the rest of the exchange happens at that base. What the
 * target says beside origin and path (credentials, a fragment) is dropped.
 *
 * @param from the `…/info/refs?service=…` that answered with the redirect.
 * @returns the new base URL, without a trailing slash.
 * @throws SnapshotError `UPSTREAM_INVALID`, without the text of the target, which may be a secret.
 */
export function redirectedBase(from: URL, location: string | string[] | undefined): string {
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
  return to.origin + to.pathname.slice(0, -'/info/refs'.length);
}

function refused(from: URL, why: string): SnapshotError {
  return new SnapshotError('UPSTREAM_INVALID', `a redirect of ${from.host} ${why}`);
}

import { SnapshotError } from '../errors.js';

const SNAPSHOT = 'snapshot.tar.zst';

/** @throws SnapshotError `INVALID_OPTIONS` */
export function parseUrl(text: string | URL): URL {
  if (!URL.canParse(String(text))) throw new SnapshotError('INVALID_OPTIONS', 'url is not a URL');
  const url = new URL(text);
  if (!/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw new SnapshotError('INVALID_OPTIONS', 'url must be http or https, without credentials');
  }
  return url;
}

/** @throws SnapshotError `INVALID_OPTIONS` unless the URL is that of a snapshot. */
export function ensureRefsUrl(snapshot: URL): URL {
  const url = sibling(snapshot, 'ensure-refs');
  if (url !== undefined) return url;
  throw new SnapshotError('INVALID_OPTIONS', `url must end with /${SNAPSHOT}`);
}

/**
 * The URL of the bundle from a commit to the upstream's HEAD.
 *
 * @param originUrl of the checkout that has the commit.
 * @returns `undefined` if the snapshot is not the default one, or may be of another repository.
 */
export function bundleUrl(snapshot: URL, originUrl: string, base: string): URL | undefined {
  if (snapshot.search !== '' || !isOf(snapshot, originUrl)) return undefined;
  const url = sibling(snapshot, 'snapshot.bundle');
  url?.searchParams.set('base', base);
  return url;
}

function sibling(snapshot: URL, artifact: string): URL | undefined {
  const path = `/${SNAPSHOT}`;
  if (!snapshot.pathname.endsWith(path)) return undefined;
  const url = new URL(snapshot);
  url.pathname = `${snapshot.pathname.slice(0, -path.length)}/${artifact}`;
  url.search = '';
  url.hash = '';
  return url;
}

/**
 * Whether a snapshot's address names the repository of an origin: `{host}/{path}`, or if the server
 * has another name for the host, at least the last part of the path. In any case of letters: many
 * hosts ignore it, and their snapshots have an origin in lower case.
 */
function isOf(snapshot: URL, originUrl: string): boolean {
  if (!URL.canParse(originUrl)) return false;
  const origin = new URL(originUrl);
  const segments = segmentsOf(snapshot.pathname).slice(0, -1);
  const wanted = segmentsOf(origin.pathname);
  const host = segments.indexOf(origin.host);
  const given = host < 0 ? segments.slice(-1) : segments.slice(host + 1);
  return given.join('/') === (host < 0 ? wanted.slice(-1) : wanted).join('/');
}

/** Decoded, in lower case, without `.git` at the end. */
function segmentsOf(pathname: string): string[] {
  const trimmed = pathname.replace(/\/+$/, '').replace(/\.git(?=\/snapshot\.tar\.zst$|$)/, '');
  return trimmed
    .split('/')
    .slice(1)
    .map((segment) => decoded(segment).toLowerCase());
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

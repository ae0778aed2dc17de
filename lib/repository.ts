import { SnapshotError } from './errors.js';
import type { RepositoryId } from './repository-id.js';

export type { RepositoryId };

const MAX_SEGMENT_BYTES = 255;
const MAX_PATH_BYTES = 1_024;

const LABEL = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?';
/** RFC 1123 name or bracketed IPv6 literal, with or without a port; never credentials. */
export const HOST = new RegExp(
  `^(?:${LABEL}(?:\\.${LABEL})*|\\[[0-9A-Fa-f:.]+\\])(?::[0-9]{1,5})?$`,
);

/** Characters that a URI must escape (RFC 3986), and `\`, which some parsers take for `/`. */
const NEVER_RAW = /[^\x21-\x7e]|[\\#?]/;
/** `/` and `\` would split the segment later; lone surrogates (Cs) have no UTF-8 form. */
const NEVER_IN_SEGMENT = /[/\\\p{Cc}\p{Cs}]/u;

/**
 * Decodes and checks `{host}/{path…}` of a request path. Splits before it decodes each segment
 * once, so that an escaped separator never separates segments.
 *
 * @throws SnapshotError `INVALID_REPOSITORY`
 */
export function decodeRepository(raw: string): RepositoryId {
  if (NEVER_RAW.test(raw)) throw malformed('a character that must be escaped');
  return fromSegments(raw.split('/').map(decodeSegment));
}

/**
 * Checks `{host}/{path…}`, and decodes nothing. Reads back what `repositoryKey` writes.
 *
 * @throws SnapshotError `INVALID_REPOSITORY`
 */
export function checkRepository(key: string): RepositoryId {
  return fromSegments(key.split('/'));
}

/** A clone URL (git-clone(1), "GIT URLS"): the scheme, and host and path without the user. */
const CLONE_URL = /^(https?|ssh|git):\/\/(?:[^@/?#]*@)?([^?#]+)$/i;
/** The form of scp: `git@github.com:org/repo.git`. */
const SCP_LIKE = /^[^@/:]+@([^@/:]+):\/?([^/].*)$/;
/** A port that is no part of the host's name: a default port, or that of another protocol. */
const OTHER_PORT = { https: /^([^/]+):443(?=\/)/, http: /^([^/]+):80(?=\/)/ };
const ANY_PORT = /^([^/]+):[0-9]+(?=\/)/;

/**
 * Parses the name of a repository, `github.com/org/repo`, or its clone URL:
 * `https://github.com/org/repo.git`, `ssh://git@github.com/org/repo.git`,
 * `git@github.com:org/repo.git`. Ignores the allow-list. Leaves out users, passwords, default
 * ports, and ports of other protocols than HTTP.
 *
 * @throws SnapshotError `INVALID_REPOSITORY`
 */
export function parseRepository(text: string): RepositoryId {
  const [, scheme = '', rest] = CLONE_URL.exec(text) ?? [];
  if (rest !== undefined) {
    const name = scheme.toLowerCase();
    const port = name === 'https' || name === 'http' ? OTHER_PORT[name] : ANY_PORT;
    const address = rest.replace(port, '$1');
    return decodeRepository(address.endsWith('/') ? address.slice(0, -1) : address);
  }
  const [, host, path] = SCP_LIKE.exec(text) ?? [];
  return checkRepository(host === undefined ? text : `${host}/${path}`);
}

/** The last segment of the path: `git clone` would give this name to the directory. */
export function repositoryName({ path }: RepositoryId): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** `{host}/{path}`: different repositories have different keys. */
export function repositoryKey({ host, path }: RepositoryId): string {
  return `${host}/${path}`;
}

function fromSegments([host = '', ...segments]: readonly string[]): RepositoryId {
  if (Buffer.byteLength(host) > MAX_SEGMENT_BYTES || !HOST.test(host)) {
    throw malformed('the host is no host name');
  }
  for (const segment of segments) checkSegment(segment);
  const path = segments.join('/');
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) throw malformed('the path is too long');

  // `..git` without its end is a dot segment; `.git` twice would lose one when a key is read back.
  const name = segments.at(-1) ?? '';
  const base = name.endsWith('.git') ? name.slice(0, -'.git'.length) : name;
  checkSegment(base);
  if (base.endsWith('.git')) throw malformed('the path ends with .git twice');
  return { host: host.toLowerCase(), path: [...segments.slice(0, -1), base].join('/') };
}

function checkSegment(segment: string): void {
  if (segment === '') throw malformed('a segment is empty');
  if (segment === '.' || segment === '..') throw malformed('a segment is a dot segment');
  if (segment === '.git') throw malformed('a segment is only .git');
  if (NEVER_IN_SEGMENT.test(segment)) throw malformed('a segment has a forbidden character');
  if (Buffer.byteLength(segment) > MAX_SEGMENT_BYTES) throw malformed('a segment is too long');
}

function decodeSegment(raw: string): string {
  try {
    return decodeURIComponent(raw);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    throw malformed('a percent-escape is not UTF-8', error);
  }
}

function malformed(why: string, cause?: unknown): SnapshotError {
  return new SnapshotError('INVALID_REPOSITORY', `malformed repository address: ${why}`, { cause });
}

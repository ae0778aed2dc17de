import { SnapshotError } from './errors.js';

/** A repository as clients address it: the host in lower case, the path without `.git`. */
export interface RepositoryId {
  /** `github.com`, or `host:port` where the allow-list names a port. */
  readonly host: string;
  /** One or more segments joined by `/`: `org/repo`, `group/subgroup/repo`. */
  readonly path: string;
}

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
 * Decodes and checks `{host}/{path…}` as it stands in a request path: each segment is
 * percent-decoded once, after splitting, so that an escaped separator never separates segments.
 *
 * @throws SnapshotError `INVALID_REPOSITORY`
 */
export function decodeRepository(raw: string): RepositoryId {
  if (NEVER_RAW.test(raw)) throw malformed('a character that must be escaped');
  return fromSegments(raw.split('/').map(decodeSegment));
}

/**
 * Checks a repository named in plain text, such as `github.com/org/repo`, by the rules for request
 * paths. Nothing is percent-decoded. Reads back what `repositoryKey` writes.
 *
 * @throws SnapshotError `INVALID_REPOSITORY`
 */
export function parseRepository(text: string): RepositoryId {
  return fromSegments(text.split('/'));
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

  // Checked again: without its end, `..git` is a dot segment. One repository must have one name: an
  // id that still ended in `.git` would lose it when its key is read back.
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

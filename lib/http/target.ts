import type { Request } from 'express';
import { invalidRequest } from '../errors.js';

/** The ends of the request paths that the router answers. */
const ENDPOINTS = ['snapshot.tar.zst', 'snapshot.bundle', 'ensure-refs', 'info/refs'] as const;
export type Endpoint = (typeof ENDPOINTS)[number];

/** Names of artifacts that later versions may have, such as `snapshot.tar.gz`. */
const RESERVED = /\/(snapshot\.[^/]*)$/;

/**
 * Splits a raw request path, as from `rawPath`. Ignores one empty segment before the endpoint:
 * clients join it to URLs that end in a slash. `undefined`: the path is not
 * `/{host}/{path…}/{endpoint}`.
 *
 * @returns `endpoint`: `unknown` for a reserved name; `repository` as sent, for `decodeRepository`.
 */
export function splitTarget(rawPath: string) {
  const endpoint = ENDPOINTS.find((name) => rawPath.endsWith(`/${name}`));
  const name = endpoint ?? RESERVED.exec(rawPath)?.[1];
  if (name === undefined) return undefined;
  const before = rawPath.slice(0, -name.length - 1);
  const repository = before.slice(1, before.endsWith('/') ? -1 : undefined);
  if (!before.startsWith('/') || !repository.includes('/')) return undefined;
  return { endpoint: endpoint ?? ('unknown' as const), repository };
}

/** The query as the client sent it. The host app may have changed or removed `req.query`. */
export function rawQuery(req: Request): URLSearchParams {
  return new URLSearchParams(queryText(req));
}

/** Without the question mark. */
function queryText({ url }: Request): string {
  const start = url.indexOf('?');
  return start < 0 ? '' : url.slice(start + 1);
}

/** The path below the mount as the client sent it, without the query: not decoded or normalized. */
export function rawPath({ url, originalUrl, baseUrl }: Request): string {
  // Express 4 takes a second slash after the mount for part of the mount: that hides a segment.
  const below = originalUrl === `${baseUrl}/${url}` ? `/${url}` : url;
  const [target = ''] = below.split('?', 1);
  // Clients of a proxy send the absolute form (RFC 9112, section 3.2.2); `url` keeps its origin.
  return target.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/]*/i, '');
}

/**
 * The decoded query parameters that the client gave.
 *
 * @param known the names of the endpoint's parameters.
 * @throws SnapshotError `INVALID_REQUEST` for another name: the client would get another artifact
 * than it requested. Also for a name given twice: parsers differ in which value they take. And for
 * escapes that are not UTF-8: `URLSearchParams` reads different ones as the same character.
 */
export function queryParameters(req: Request, known: readonly string[]): Map<string, string> {
  if (!isUtf8(queryText(req))) throw invalidRequest('the query has a malformed percent-escape');
  const given = new Map<string, string>();
  for (const [name, value] of rawQuery(req)) {
    const quoted = `the query parameter "${name.slice(0, 100)}"`;
    if (!known.includes(name)) throw invalidRequest(`${quoted} is unknown`);
    if (given.has(name)) throw invalidRequest(`${quoted} is given more than once`);
    given.set(name, value);
  }
  return given;
}

/** Whether all percent-escapes of a text are UTF-8. */
function isUtf8(escaped: string): boolean {
  try {
    decodeURIComponent(escaped);
    return true;
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return false;
  }
}

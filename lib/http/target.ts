import type { Request } from 'express';
import { SnapshotError } from '../errors.js';

/** The ends of the request paths that the router answers. */
const ENDPOINTS = ['snapshot.tar.zst', 'snapshot.bundle', 'ensure-refs', 'info/refs'] as const;
export type Endpoint = (typeof ENDPOINTS)[number];

/**
 * Splits a raw request path, as from `rawPath`. Ignores one empty segment before the endpoint:
 * clients join it to URLs that end in a slash. `undefined`: the path is not
 * `/{host}/{path…}/{endpoint}`.
 *
 * @returns `repository` as sent, for `decodeRepository`.
 */
export function splitTarget(rawPath: string) {
  const endpoint = ENDPOINTS.find((name) => rawPath.endsWith(`/${name}`));
  if (endpoint === undefined) return undefined;
  const before = rawPath.slice(0, -endpoint.length - 1);
  const repository = before.slice(1, before.endsWith('/') ? -1 : undefined);
  return before.startsWith('/') && repository.includes('/') ? { endpoint, repository } : undefined;
}

/** The query as the client sent it. The host app may have changed or removed `req.query`. */
export function rawQuery({ url }: Request): URLSearchParams {
  const start = url.indexOf('?');
  return new URLSearchParams(start < 0 ? '' : url.slice(start + 1));
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
 * The decoded value of a query parameter; `undefined` when it is not given.
 *
 * @throws SnapshotError `INVALID_REQUEST` when it is given twice: parsers differ in which one they
 * take.
 */
export function queryParameter(req: Request, name: string): string | undefined {
  const [value, ...more] = rawQuery(req).getAll(name);
  if (more.length === 0) return value;
  throw new SnapshotError('INVALID_REQUEST', `${name} is given more than once`);
}

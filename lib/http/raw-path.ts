import type { Request } from 'express';

type RoutedRequest = Pick<Request, 'url' | 'originalUrl' | 'baseUrl'>;

/** The path below the mount as the client sent it: not decoded, not normalised, without the query. */
export function rawPath({ url, originalUrl, baseUrl }: RoutedRequest): string {
  // Express 4 counts a second slash after the mount to the mount, and would hide an empty segment.
  const below = originalUrl === `${baseUrl}/${url}` ? `/${url}` : url;
  const [target = ''] = below.split('?', 1);
  // Clients of a proxy send the absolute form (RFC 9112, section 3.2.2), of which Express leaves the
  // scheme and authority standing.
  return target.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/]*/i, '');
}

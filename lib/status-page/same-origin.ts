import type { Request } from 'express';
import { SnapshotError } from '../errors.js';
import { ACTION_HEADER } from './messages.js';

/**
 * Refuses requests that another site has made the visitor's browser send, with the visitor's cookies.
 * Such a site can't send the header, unless the host app's CORS allows it; and browsers say where a
 * request comes from: by `Sec-Fetch-Site` over HTTPS, otherwise by `Origin`.
 *
 * @throws SnapshotError `FORBIDDEN`
 */
export function requireSameOrigin({ headers }: Request): void {
  const refuse = (why: string) => new SnapshotError('FORBIDDEN', why, { clientDetail: why });
  if (headers[ACTION_HEADER] === undefined) throw refuse(`the header ${ACTION_HEADER} is missing`);
  const site = headers['sec-fetch-site'];
  if (site !== undefined) {
    if (site !== 'same-origin') throw refuse('the request comes from another site');
    return;
  }
  const { origin, host = headers[':authority'] } = headers;
  if (origin === undefined) return; // no browser: it sends no cookies by itself
  const own = `http://${host}`;
  const isOurs =
    URL.canParse(origin) && URL.canParse(own) && new URL(origin).host === new URL(own).host;
  if (!isOurs) {
    throw refuse('the origin of the request is not its host; a proxy must pass the header Host on');
  }
}

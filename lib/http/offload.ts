import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { Request } from 'express';
import type { Offload } from '../config/router-options.js';
import type { StoredFile } from '../stores/store.js';

/** nginx sends the files below this address; only for its own internal redirects. */
const INTERNAL_LOCATION = '/express-git-snapshot/';

/**
 * Whether the web server answers a request as this library would. nginx evaluates preconditions
 * before it knows our entity tag and date, and would answer 412.
 */
export function mayOffload({ headers }: Request): boolean {
  return headers['if-match'] === undefined && headers['if-unmodified-since'] === undefined;
}

/**
 * Answers with the name of a file, which the web server in front of the app sends instead. It also
 * selects the range that the client requests.
 *
 * The answer claims the size of the file and has no body, so a client that reaches the app without
 * the web server sees that the answer breaks off.
 *
 * @param headers of the whole file.
 */
export function sendOffloaded(
  res: ServerResponse,
  offload: Offload,
  { directory, path }: StoredFile,
  headers: OutgoingHttpHeaders,
): void {
  const { 'Accept-Ranges': acceptRanges, ...others } = headers;
  const header =
    offload === 'x-sendfile'
      ? { 'Accept-Ranges': acceptRanges, 'X-Sendfile': join(directory, path) }
      : { 'X-Accel-Redirect': `${INTERNAL_LOCATION}${path}` }; // nginx has an `Accept-Ranges` of its own
  // The next answer on the connection must not be taken for the body.
  res.shouldKeepAlive = false;
  res.writeHead(200, { ...others, ...header }).end();
}

import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { callHost } from '../call-host.js';
import { isHeadSent } from './problem.js';

/** What is safe in a log and in a header. */
const ID = /^[\x21-\x7e]{1,200}$/;

/**
 * The id of a failed request for the log: that of the host app (`req.id`, or the `X-Request-Id` of
 * the answer), or the client's `X-Request-Id`, or a new one. The answer gets it as `X-Request-Id`,
 * unless its head was sent. Never throws.
 */
export function identifyRequest(req: IncomingMessage, res: ServerResponse): string {
  let requestId: string = randomUUID();
  callHost('a request', () => {
    const own = 'id' in req && (typeof req.id === 'number' ? String(req.id) : req.id);
    const known = [own, res.getHeader('X-Request-Id'), req.headers['x-request-id']];
    const id = known.find((one) => typeof one === 'string' && ID.test(one));
    if (typeof id === 'string') requestId = id;
    const isFree = !isHeadSent(res) && !res.hasHeader('X-Request-Id');
    if (isFree) res.setHeader('X-Request-Id', requestId);
  });
  return requestId;
}

import type { Request } from 'express';
import { SnapshotError } from '../../errors.js';
import { bodyWasRead, readBody } from '../request-body.js';
import { MAX_BODY_BYTES } from './body-room.js';

/**
 * The bytes that were signed: from the request, or where `express.raw()` or the host app has left them.
 *
 * @param take as for `readBody`.
 * @throws SnapshotError `CONTENT_TOO_LARGE`; `ABORTED` when the client goes; `INVALID_OPTIONS` when
 *   only a parsed form of them is left, which need not have been written as it would be now; what `take`
 *   throws.
 */
export async function rawBody(req: Request, take: (bytes: number) => void): Promise<Buffer> {
  const body = bodyWasRead(req) ? keptBody(req) : await readBody(req, MAX_BODY_BYTES, take);
  if (body === undefined || body.length > MAX_BODY_BYTES) {
    throw new SnapshotError('CONTENT_TOO_LARGE', `a body of more than ${MAX_BODY_BYTES} bytes`);
  }
  return body;
}

function keptBody(req: Request): Buffer {
  for (const kept of [req.body, 'rawBody' in req ? req.rawBody : undefined]) {
    if (Buffer.isBuffer(kept)) return kept;
  }
  throw new SnapshotError(
    'INVALID_OPTIONS',
    'the body was parsed before the webhook handler, which needs its bytes: ' +
      'mount it before body parsers such as express.json(), or after express.raw()',
  );
}

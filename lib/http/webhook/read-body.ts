import type { Request } from 'express';
import { SnapshotError } from '../../errors.js';
import { bodyWasRead, readBody } from '../request-body.js';

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

/** GitHub sends no larger ones. */
export const MAX_BODY_BYTES = 25 * 1024 * 1024;
const ROOM_BYTES = 4 * MAX_BODY_BYTES;

/** A bound on the memory that bodies take whose senders are not known yet. */
export class BodyRoom {
  #free = ROOM_BYTES;

  /**
   * Reads a body, which has the room that it took until `read` is over.
   *
   * @param read calls `take` for bytes that have arrived, not for those that are announced: a sender that is
   *   silent keeps nobody else out. It throws a SnapshotError `OVERLOADED` when there is no room for them.
   */
  async use<T>(read: (take: (bytes: number) => void) => Promise<T>): Promise<T> {
    let taken = 0;
    const take = (bytes: number) => {
      if (bytes > this.#free) throw new SnapshotError('OVERLOADED', 'too many deliveries at once');
      this.#free -= bytes;
      taken += bytes;
    };
    try {
      return await read(take);
    } finally {
      this.#free += taken;
    }
  }
}

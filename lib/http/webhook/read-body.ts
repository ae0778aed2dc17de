import type { Request } from 'express';
import { SnapshotError } from '../../errors.js';
import { bodyWasRead, readBody } from '../request-body.js';

/**
 * The bytes that the sender signed: from the request, or from where `express.raw()` or the host app has left
 * them.
 *
 * @param take as for `readBody`.
 * @throws SnapshotError `CONTENT_TOO_LARGE`; `ABORTED` when the client leaves; `INVALID_OPTIONS` when only a
 *   parsed body is left, from which the bytes can't be made again; the error that `take` throws.
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

/** GitHub sends no larger bodies. */
export const MAX_BODY_BYTES = 25 * 1024 * 1024;
const ROOM_BYTES = 4 * MAX_BODY_BYTES;

/** Bounds the memory of bodies whose senders are not authenticated yet. */
export class BodyRoom {
  #free = ROOM_BYTES;

  /**
   * Reads a body. Its memory counts until `read` ends.
   *
   * @param read calls `take` with the number of bytes that have arrived. Announced bytes don't count, so that
   *   a silent sender keeps no other sender out. `take` throws a SnapshotError `OVERLOADED` when all room is
   *   taken.
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

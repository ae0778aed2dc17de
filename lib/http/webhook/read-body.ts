import type { Request } from 'express';
import { withDeadline } from '../../async/deadline.js';
import { SnapshotError } from '../../errors.js';
import { bodyWasRead, readBody } from '../request-body.js';

/**
 * The bytes that the sender signed: from the request, or from where `express.raw()` or the host app has left
 * them.
 *
 * @param take as for `readBody`.
 * @param signal as for `readBody`.
 * @throws SnapshotError `CONTENT_TOO_LARGE`; `ABORTED` when the client leaves; `INVALID_OPTIONS` when only a
 *   parsed body is left, from which the bytes can't be made again; the error that `take` throws;
 *   the signal's reason.
 */
export async function rawBody(
  req: Request,
  take: (bytes: number) => void,
  signal: AbortSignal,
): Promise<Buffer> {
  const options = { take, signal };
  const body = bodyWasRead(req) ? keptBody(req) : await readBody(req, MAX_BODY_BYTES, options);
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
/** Milliseconds within which a whole body must arrive. */
const BODY_TIMEOUT = 30_000;

interface Reading {
  bytes: number;
  readonly ends: AbortController;
}

/**
 * Bounds the memory of bodies whose senders are not authenticated yet. When all of it is taken, the body that
 * began first is dropped: a sender that takes its time can't keep others out.
 */
export class BodyRoom {
  #free = ROOM_BYTES;
  /** The oldest first. */
  readonly #readings = new Set<Reading>();

  /**
   * Reads a body. Its memory counts until `read` ends.
   *
   * @param read calls `take` with the number of bytes that have arrived. Announced bytes don't count.
   * @throws SnapshotError `OVERLOADED` when the body was dropped, or took longer than 30 seconds.
   */
  async use<T>(
    read: (take: (bytes: number) => void, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const reading: Reading = { bytes: 0, ends: new AbortController() };
    this.#readings.add(reading);
    const take = (bytes: number) => {
      for (const oldest of this.#readings) {
        if (bytes <= this.#free || oldest === reading) break;
        this.#release(oldest);
        oldest.ends.abort(overloaded('too many deliveries at once'));
      }
      if (bytes > this.#free) throw overloaded('too many deliveries at once');
      this.#free -= bytes;
      reading.bytes += bytes;
    };
    try {
      return await withDeadline(
        BODY_TIMEOUT,
        reading.ends.signal,
        (signal) => read(take, signal),
        () => overloaded(`the delivery took longer than ${BODY_TIMEOUT} ms`),
      );
    } finally {
      this.#release(reading);
    }
  }

  #release(reading: Reading): void {
    if (this.#readings.delete(reading)) this.#free += reading.bytes;
  }
}

function overloaded(why: string): SnapshotError {
  return new SnapshotError('OVERLOADED', why);
}

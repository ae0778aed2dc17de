import type { Request } from 'express';
import { withDeadline } from '../../async/deadline.js';
import { SnapshotError } from '../../errors.js';
import { bodyWasRead, readBody } from '../request-body.js';

/** GitHub sends no larger bodies. */
const MAX_BODY_BYTES = 25 * 1024 * 1024;
const ROOM_BYTES = 4 * MAX_BODY_BYTES;
/** Milliseconds within which a whole body must arrive. */
const BODY_TIMEOUT = 30_000;

interface Reading {
  /** Bytes that have arrived. */
  bytes: number;
  readonly ends: AbortController;
}

/**
 * Bounds the memory of bodies whose senders are not authenticated yet. When all memory is taken,
 * drops the oldest reading, so that a slow sender can't keep others out.
 */
export class BodyRoom {
  #free = ROOM_BYTES;
  /** The oldest first. */
  readonly #readings = new Set<Reading>();

  /**
   * The bytes that the sender signed: from the request, or as `express.raw()` or the host app kept
   * them. They take memory from their arrival until the last one has arrived.
   *
   * @throws SnapshotError `CONTENT_TOO_LARGE`; `ABORTED`: the client left; `OVERLOADED`: the body
   * was dropped or too slow; `INVALID_OPTIONS`: only a parsed body is left, which does not give the
   * bytes.
   */
  async read(req: Request): Promise<Buffer> {
    const reading: Reading = { bytes: 0, ends: new AbortController() };
    this.#readings.add(reading);
    const take = (bytes: number) => this.#take(bytes, reading);
    try {
      const body = await withDeadline(
        BODY_TIMEOUT,
        reading.ends.signal,
        async (signal) =>
          bodyWasRead(req) ? keptBody(req) : await readBody(req, MAX_BODY_BYTES, { take, signal }),
        () => overloaded(`the delivery took longer than ${BODY_TIMEOUT} ms`),
      );
      if (body !== undefined && body.length <= MAX_BODY_BYTES) return body;
      throw new SnapshotError('CONTENT_TOO_LARGE', `a body of more than ${MAX_BODY_BYTES} bytes`);
    } finally {
      this.#release(reading);
    }
  }

  #take(bytes: number, reading: Reading): void {
    for (const oldest of this.#readings) {
      if (bytes <= this.#free || oldest === reading) break;
      this.#release(oldest);
      oldest.ends.abort(overloaded('too many deliveries at once'));
    }
    if (bytes > this.#free) throw overloaded('too many deliveries at once');
    this.#free -= bytes;
    reading.bytes += bytes;
  }

  #release(reading: Reading): void {
    if (this.#readings.delete(reading)) this.#free += reading.bytes;
  }
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

function overloaded(why: string): SnapshotError {
  return new SnapshotError('OVERLOADED', why);
}

import type { IncomingMessage } from 'node:http';
import { SnapshotError } from '../../errors.js';

/** GitHub sends no larger ones. */
export const MAX_BODY_BYTES = 25 * 1024 * 1024;
const ROOM_BYTES = 4 * MAX_BODY_BYTES;

/** A bound on the memory that bodies take whose senders are not known yet. */
export class BodyRoom {
  #free = ROOM_BYTES;

  /**
   * Reads a body while there is room for as much as it says to have; for the largest, if it does not say.
   *
   * @throws SnapshotError `OVERLOADED`; what `read` fails with.
   */
  async use<T>({ headers }: IncomingMessage, read: () => Promise<T>): Promise<T> {
    const length = Number(headers['content-length'] ?? MAX_BODY_BYTES);
    // One that is too large is not read at all.
    const bytes = length <= MAX_BODY_BYTES ? length : 0;
    if (bytes > this.#free) throw new SnapshotError('OVERLOADED', 'too many deliveries at once');
    this.#free -= bytes;
    try {
      return await read();
    } finally {
      this.#free += bytes;
    }
  }
}

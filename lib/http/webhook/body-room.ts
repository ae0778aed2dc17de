import { SnapshotError } from '../../errors.js';

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

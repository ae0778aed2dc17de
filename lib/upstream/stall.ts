import { unlessLate } from '../async/deadline.js';
import { SnapshotError } from '../errors.js';

/**
 * Passes a pack on, and fails when nothing of it arrives for `milliseconds`. The limit begins with the
 * first chunk, because servers think for minutes before it, silent or not; from then on only the pack counts.
 * It rests while the consumer works.
 *
 * @param source yields no empty chunks.
 * @throws SnapshotError `UPSTREAM_TIMEOUT`
 */
export async function* failWhenStalled(
  source: AsyncIterable<Uint8Array>,
  milliseconds: number,
): AsyncGenerator<Uint8Array> {
  const chunks = source[Symbol.asyncIterator]();
  const late = () =>
    new SnapshotError('UPSTREAM_TIMEOUT', `the upstream sent nothing for ${milliseconds} ms`);
  let first = true;
  let finished = false;
  try {
    for (;;) {
      const result = await (first ? chunks.next() : unlessLate(chunks.next(), milliseconds, late));
      first = false;
      if (result.done) {
        finished = true;
        return;
      }
      yield result.value;
    }
  } finally {
    // Not awaited after a stall: the source is still waiting, and its owner will destroy it.
    if (!finished) chunks.return?.()?.catch(() => {});
  }
}

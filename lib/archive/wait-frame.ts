/**
 * A skippable frame (RFC 8878 §3.1.2) that a server sends while the snapshot is not ready. Any number
 * of them precede the snapshot, of which they are no part: its digest does not cover them.
 *
 *     u32 LE  0x184D2A5C      magic number of a skippable frame
 *     u32 LE  8               bytes that follow
 *     8 bytes "egswait1"
 */
const WAIT_FRAME_BYTES = 16;
const MAGIC = 0x184d2a5c;
const TAG = Buffer.from('egswait1', 'latin1');

const WAIT_FRAME = encodeWaitFrame();

export function encodeWaitFrame(): Buffer {
  const frame = Buffer.alloc(WAIT_FRAME_BYTES);
  frame.writeUInt32LE(MAGIC, 0);
  frame.writeUInt32LE(TAG.length, 4);
  frame.set(TAG, 8);
  return frame;
}

/** Passes on a stream without the wait frames at its beginning. */
export async function* withoutWaitFrames(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  /** The beginning, until the snapshot has begun. */
  let held: Uint8Array | undefined = Buffer.alloc(0);
  for await (const chunk of source) {
    if (held === undefined) {
      yield chunk;
      continue;
    }
    held = afterWaitFrames(Buffer.concat([held, chunk]));
    if (WAIT_FRAME.subarray(0, held.length).equals(held)) continue;
    yield held;
    held = undefined;
  }
  if (held !== undefined && held.length > 0) yield held;
}

function afterWaitFrames(bytes: Buffer): Buffer {
  let start = 0;
  while (bytes.subarray(start, start + WAIT_FRAME_BYTES).equals(WAIT_FRAME)) {
    start += WAIT_FRAME_BYTES;
  }
  return bytes.subarray(start);
}

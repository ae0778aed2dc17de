import { createHash } from 'node:crypto';
import { DIGEST_FRAME_BYTES, decodeDigestFrame } from '../archive/digest-frame.js';
import { SnapshotError } from '../errors.js';

/**
 * Passes on a snapshot without the digest frame at its end, and checks that digest. Snapshots of
 * other servers have no digest, and are passed on unchanged.
 *
 * @param onVerified called when the snapshot has a digest that matches.
 * @throws SnapshotError `ARCHIVE_INVALID` at the end, when the digest does not match: do not use
 * the bytes that came before.
 */
export async function* verifyDigest(
  source: AsyncIterable<Uint8Array>,
  onVerified: () => void,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  // Always holds back the latest bytes, because they may be the digest frame.
  let held: Uint8Array = Buffer.alloc(0);
  for await (const chunk of source) {
    let passed = held;
    if (chunk.length >= DIGEST_FRAME_BYTES) held = chunk;
    else [passed, held] = splitTail(Buffer.concat([held, chunk]));
    hash.update(passed);
    if (passed.length > 0) yield passed;
  }
  const [passed, tail] = splitTail(held);
  const digest = decodeDigestFrame(tail);
  if (digest === undefined) {
    yield held;
    return;
  }
  if (!hash.update(passed).digest().equals(digest)) {
    throw new SnapshotError('ARCHIVE_INVALID', 'the archive does not match its digest');
  }
  onVerified();
  if (passed.length > 0) yield passed;
}

function splitTail(bytes: Uint8Array): [head: Uint8Array, tail: Uint8Array] {
  const cut = Math.max(0, bytes.length - DIGEST_FRAME_BYTES);
  return [bytes.subarray(0, cut), bytes.subarray(cut)];
}

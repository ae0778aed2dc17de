import { createHash } from 'node:crypto';
import { SnapshotError } from '../errors.js';

/**
 * The last frame of every snapshot that this library writes: a zstd skippable frame (RFC 8878
 * §3.1.2), which decoders skip, with the SHA-256 of all bytes before it. It shows that a download
 * is damaged or cut where the transport does not: zstd's own checksums have 4 bytes, a decoder may
 * ignore them, and a snapshot cut between two frames is valid zstd.
 *
 *     u32 LE  0x184D2A5D      magic number of a skippable frame
 *     u32 LE  40              bytes that follow
 *     8 bytes "egsnap01"
 *     32 bytes SHA-256
 */
export const DIGEST_FRAME_BYTES = 48;

/** The magic number. No other frame of a snapshot has it. */
export const DIGEST_FRAME_MAGIC = 0x184d2a5d;

const TAG = Buffer.from('egsnap01', 'latin1');
const TAG_AT = 8;
const DIGEST_AT = TAG_AT + TAG.length;
const DIGEST_BYTES = DIGEST_FRAME_BYTES - DIGEST_AT;

/** @param digest SHA-256 of every byte of the snapshot before this frame. */
export function encodeDigestFrame(digest: Uint8Array): Buffer {
  if (digest.length !== DIGEST_BYTES) throw new RangeError('a SHA-256 digest has 32 bytes');
  const frame = Buffer.alloc(DIGEST_FRAME_BYTES);
  frame.writeUInt32LE(DIGEST_FRAME_MAGIC, 0);
  frame.writeUInt32LE(DIGEST_FRAME_BYTES - TAG_AT, 4);
  frame.set(TAG, TAG_AT);
  frame.set(digest, DIGEST_AT);
  return frame;
}

/**
 * Reads the last bytes of a snapshot.
 *
 * @returns the digest, or `undefined` when the snapshot does not end in a digest frame.
 * @throws SnapshotError `ARCHIVE_INVALID` when only parts of a digest frame are intact: a damaged
 * byte must not turn it into an unknown frame that is skipped.
 */
export function decodeDigestFrame(bytes: Uint8Array): Buffer | undefined {
  if (bytes.length !== DIGEST_FRAME_BYTES) return undefined;
  const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const magicMatches = frame.readUInt32LE(0) === DIGEST_FRAME_MAGIC;
  const tagMatches = frame.subarray(TAG_AT, DIGEST_AT).equals(TAG);
  if (!magicMatches && !tagMatches) return undefined;
  const lengthMatches = frame.readUInt32LE(4) === DIGEST_FRAME_BYTES - TAG_AT;
  if (magicMatches && tagMatches && lengthMatches) return frame.subarray(DIGEST_AT);
  throw new SnapshotError('ARCHIVE_INVALID', 'the digest at the end of the snapshot is damaged');
}

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

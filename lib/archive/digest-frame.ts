import { createHash } from 'node:crypto';
import { SnapshotError } from '../errors.js';

/**
 * The last frame of every snapshot that this library writes: a skippable frame (RFC 8878 §3.1.2)
 * with the SHA-256 of all bytes before it. It shows that a download is damaged or cut: zstd's
 * checksums have 4 bytes, a decoder may ignore them, and zstd cut between two frames is valid.
 *
 *     u32 LE  0x184D2A5D      magic number of a skippable frame
 *     u32 LE  40              bytes that follow
 *     8 bytes "egsnap01"
 *     32 bytes SHA-256
 */
export const DIGEST_FRAME_BYTES = 48;

/** No other frame of a snapshot has this magic number. */
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
 * @param bytes the last `DIGEST_FRAME_BYTES` of a snapshot.
 * @returns the digest, or `undefined` if they are no digest frame.
 * @throws SnapshotError `ARCHIVE_INVALID` when only a part of a digest frame is intact: a damaged
 * byte must not turn it into a frame that is skipped.
 */
export function decodeDigestFrame(bytes: Uint8Array): Buffer | undefined {
  if (bytes.length !== DIGEST_FRAME_BYTES) return undefined;
  const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const digest = frame.subarray(DIGEST_AT);
  if (encodeDigestFrame(digest).equals(frame)) return digest;
  const hasMagic = frame.readUInt32LE() === DIGEST_FRAME_MAGIC;
  if (!hasMagic && !frame.subarray(TAG_AT, DIGEST_AT).equals(TAG)) return undefined;
  throw new SnapshotError('ARCHIVE_INVALID', 'the digest at the end of the snapshot is damaged');
}

/**
 * Passes on a snapshot without its digest frame, and checks the digest. Snapshots of other servers
 * have none, and are passed on unchanged.
 *
 * @param onVerified called when the digest matches.
 * @throws SnapshotError `ARCHIVE_INVALID` at the end: do not use the bytes that came before.
 */
export async function* verifyDigest(
  source: AsyncIterable<Uint8Array>,
  onVerified: () => void,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  // The latest bytes may be the digest frame.
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

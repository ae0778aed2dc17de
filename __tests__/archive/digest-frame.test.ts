import { createHash } from 'node:crypto';
import {
  DIGEST_FRAME_BYTES,
  decodeDigestFrame,
  encodeDigestFrame,
} from '../../lib/archive/digest-frame.js';

const digest = createHash('sha256').update('snapshot').digest();

describe('The digest frame', () => {
  test('has the documented bytes', () => {
    expect(encodeDigestFrame(digest).toString('hex')).toBe(
      `5d2a4d18${'28000000'}${Buffer.from('egsnap01').toString('hex')}${digest.toString('hex')}`,
    );
  });

  test('is read as it was written', () => {
    const frame = encodeDigestFrame(digest);
    expect(frame).toHaveLength(DIGEST_FRAME_BYTES);
    expect(decodeDigestFrame(frame)).toEqual(digest);
    // Not at the start of its memory.
    const elsewhere = new Uint8Array(Buffer.concat([Buffer.alloc(5), frame])).subarray(5);
    expect(decodeDigestFrame(elsewhere)).toEqual(digest);
  });

  test('holds a SHA-256 digest and no other', () => {
    expect(() => encodeDigestFrame(Buffer.alloc(20))).toThrow(RangeError);
  });

  test.each([
    ['nothing', Buffer.alloc(0)],
    ['too little', encodeDigestFrame(digest).subarray(1)],
    ['other data', Buffer.alloc(DIGEST_FRAME_BYTES, 0xa5)],
    ['another skippable frame of that size', otherSkippableFrame()],
  ])('is not found in %s', (_, bytes) => {
    expect(decodeDigestFrame(bytes)).toBeUndefined();
  });

  test('is refused, and not skipped, with any bit flipped before the digest', () => {
    const bits = (DIGEST_FRAME_BYTES - digest.length) * 8;
    for (let bit = 0; bit < bits; bit++) {
      const frame = encodeDigestFrame(digest);
      frame.writeUInt8(frame.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      expect(() => decodeDigestFrame(frame)).toThrow(
        expect.objectContaining({ code: 'ARCHIVE_INVALID' }),
      );
    }
  });
});

function otherSkippableFrame(): Buffer {
  const frame = Buffer.alloc(DIGEST_FRAME_BYTES, 1);
  frame.writeUInt32LE(0x184d2a50, 0);
  frame.writeUInt32LE(DIGEST_FRAME_BYTES - 8, 4);
  return frame;
}

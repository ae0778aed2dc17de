/** @needs zstd */
import { createHash } from 'node:crypto';
import { decompress } from 'fzstd';
import { loadContentChecksum } from '../../lib/archive/content-checksum.js';
import { encodeDigestFrame } from '../../lib/archive/digest-frame.js';
import { loadZstdEncoder } from '../../lib/archive/zstd.js';
import {
  encodeChecksum,
  encodeRawBlockHeader,
  encodeRawFrameHeader,
  MAX_BLOCK_BYTES,
} from '../../lib/archive/zstd-format.js';
import { seededBytes } from '../support/random.js';
import { execute, runBinary } from '../support/run.js';

const unzstd = (input: Buffer) => runBinary('zstd', ['-dc', '-q'], { input });

/** One frame of raw blocks of the given size. */
async function rawFrame(content: Buffer, blockBytes = MAX_BLOCK_BYTES): Promise<Buffer> {
  const parts = [encodeRawFrameHeader(content.length)];
  for (let at = 0; at < content.length || at === 0; at += blockBytes) {
    const block = content.subarray(at, at + blockBytes);
    const last = at + blockBytes >= content.length;
    parts.push(encodeRawBlockHeader({ size: block.length, last }), block);
  }
  const checksum = (await loadContentChecksum())();
  for (const part of [content.subarray(0, 33), content.subarray(33)]) checksum.update(part);
  return Buffer.concat([...parts, encodeChecksum(checksum.digest())]);
}

describe('Raw frames', () => {
  const sizes = [
    1,
    255,
    65_535,
    MAX_BLOCK_BYTES - 1,
    MAX_BLOCK_BYTES,
    MAX_BLOCK_BYTES + 1,
    3_000_000,
  ];

  test.each(sizes)('of %d bytes are read by zstd and fzstd', async (size) => {
    const content = seededBytes('raw', size);
    const frame = await rawFrame(content);
    expect((await unzstd(frame)).equals(content)).toBe(true);
    expect(Buffer.from(decompress(frame)).equals(content)).toBe(true);
  });

  test('may have blocks of any size', async () => {
    const content = seededBytes('raw', 1000);
    for (const blockBytes of [1, 7, 999, 1000]) {
      expect((await unzstd(await rawFrame(content, blockBytes))).equals(content)).toBe(true);
    }
  });

  test('are refused when they do not hold as much as they declare', async () => {
    const content = seededBytes('raw', 200_000);
    const frame = await rawFrame(content);
    for (const wrong of [
      Buffer.concat([encodeRawFrameHeader(content.length + 1), frame.subarray(14)]),
      frame.subarray(0, -1),
    ]) {
      expect((await execute('zstd', ['-dc', '-q'], { input: wrong })).code).not.toBe(0);
    }
  });

  test('can declare sizes beyond 4 GiB', async () => {
    expect(
      encodeRawFrameHeader(5 * 2 ** 32 + 7)
        .subarray(6)
        .readBigUInt64LE(),
    ).toBe(5n * 2n ** 32n + 7n);
  });
});

describe.each([1, 3, 19])('The encoder of level %d', (level) => {
  test('makes frames with size and checksum, which zstd and fzstd read', async () => {
    const encoder = await loadZstdEncoder(level);
    const text = Buffer.from('All work and no play makes a dull frame.\n'.repeat(20_000));
    const contents = [Buffer.alloc(0), Buffer.from('x'), seededBytes('noise', 100_000), text];
    const frames = contents.map((content) => Buffer.from(encoder.compress(content)));
    const all = Buffer.concat(frames);
    expect((await unzstd(all)).equals(Buffer.concat(contents))).toBe(true);
    expect(Buffer.from(decompress(all)).equals(Buffer.concat(contents))).toBe(true);
    expect(frames.at(-1)?.length).toBeLessThan(text.length / 100);
  });

  test('gives the same bytes for the same input as any encoder with the same id', async () => {
    const [one, other] = [await loadZstdEncoder(level), await loadZstdEncoder(level)];
    const content = Buffer.from('the same\n'.repeat(1000));
    expect(Buffer.from(one.compress(content))).toEqual(Buffer.from(other.compress(content)));
    expect(one.id).toBe(other.id);
    expect(one.id).toMatch(new RegExp(`-${level}$`));
    expect(one.id).not.toBe((await loadZstdEncoder(level + 1)).id);
  });

  test('leaves the bytes alone that it returned before', async () => {
    const encoder = await loadZstdEncoder(level);
    const first = encoder.compress(Buffer.from('first'));
    const kept = Buffer.from(first);
    encoder.compress(Buffer.from('second, and longer'));
    expect(Buffer.from(first)).toEqual(kept);
  });
});

test('zstd skips a digest frame', async () => {
  const content = await runBinary('zstd', ['-q', '-c'], { input: 'content' });
  const digest = createHash('sha256').update('snapshot').digest();
  const input = Buffer.concat([content, encodeDigestFrame(digest)]);
  expect((await unzstd(input)).toString()).toBe('content');
});

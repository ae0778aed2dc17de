/** @needs zstd */
import zlib from 'node:zlib';
import {
  BLOCK_HEADER_BYTES,
  CHECKSUM_BYTES,
  FRAME_MAGIC,
  frameHeaderBytes,
  parseBlockHeader,
  parseFrameHeader,
} from '../../lib/archive/zstd-format.js';
import { freshRepository, read } from '../support/fresh-repository.js';
import { execute } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';

/*
 * Readers of a stored file in which a bit has changed. Zstd skips the digest at the end of the file, so its
 * bits are left out here.
 */

const shared = cleanup(afterAll);

interface Frame {
  readonly start: number;
  readonly contentAt: number;
  readonly isRaw: boolean;
  readonly hasChecksum: boolean;
  readonly end: number;
}

let snapshot: Buffer;
let frames: Frame[];

beforeAll(async () => {
  const repository = await freshRepository(shared);
  ({ bytes: snapshot } = await read(repository.start(), repository.snapshot));
  frames = framesOf(snapshot);
});

/** Walks over headers and blocks (RFC 8878 §3.1.1), up to the first frame that is skippable. */
function framesOf(bytes: Buffer): Frame[] {
  const found: Frame[] = [];
  let at = 0;
  while (bytes.readUInt32LE(at) === FRAME_MAGIC) {
    const start = at;
    const contentAt = start + frameHeaderBytes(bytes.subarray(start));
    const format = parseFrameHeader(bytes.subarray(start, contentAt));
    let isRaw = true;
    at = contentAt;
    for (let last = false; !last; ) {
      const block = parseBlockHeader(bytes.subarray(at, at + BLOCK_HEADER_BYTES), format);
      last = block.last;
      isRaw &&= block.type === 'raw';
      at += BLOCK_HEADER_BYTES + block.size;
    }
    if (format.hasChecksum) at += CHECKSUM_BYTES;
    found.push({ start, contentAt, isRaw, hasChecksum: format.hasChecksum, end: at });
  }
  return found;
}

/** Node's own decoder, which reads one frame; since Node 22.15. */
function decodeNatively(frame: Buffer): Buffer | undefined {
  const decode: unknown = Reflect.get(zlib, 'zstdDecompressSync');
  return typeof decode === 'function' ? decode(frame) : undefined;
}

test('Every frame of a snapshot carries the checksum of its content, for metadata, packs and files', async () => {
  expect(frames.map(({ isRaw }) => isRaw)).toEqual([false, true, true, false]);
  expect(frames.map(({ hasChecksum }) => hasChecksum)).toEqual([true, true, true, true]);
  for (const { start, end } of frames) decodeNatively(snapshot.subarray(start, end));
  const { code } = await execute('zstd', ['-dcq'], { input: snapshot });
  expect(code).toBe(0);
});

describe.each(['metadata', 'a pack', 'an idx', 'files'])(
  'A bit that flips in the frame of %s',
  (kind) => {
    const frame = () => {
      const found = frames[['metadata', 'a pack', 'an idx', 'files'].indexOf(kind)];
      if (found === undefined) throw new Error('the snapshot lacks a frame');
      return found;
    };

    test.each<[string, (frame: Frame) => number]>([
      ['the header of the first block', ({ contentAt }) => contentAt],
      ['the first byte of content', ({ contentAt }) => contentAt + BLOCK_HEADER_BYTES],
      ['a byte in the middle', ({ contentAt, end }) => (contentAt + end) >> 1],
      ['the last byte of content', ({ end }) => end - CHECKSUM_BYTES - 1],
      ['the checksum', ({ end }) => end - 1],
    ])('fails zstd and the decoder of Node: in %s', async (_where, place) => {
      const { start, end } = frame();
      const at = place(frame());
      for (const bit of [0x01, 0x80]) {
        const damaged = Buffer.from(snapshot);
        damaged.writeUInt8(damaged.readUInt8(at) ^ bit, at);
        const { code } = await execute('zstd', ['-dcq'], { input: damaged });
        expect(code).not.toBe(0);
        const natively = () => decodeNatively(damaged.subarray(start, end)) ?? fail();
        expect(natively).toThrow();
      }
    });
  },
);

function fail(): never {
  throw new Error('there is no decoder in this Node');
}

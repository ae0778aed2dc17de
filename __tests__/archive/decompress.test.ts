/** @needs zstd pzstd */
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  createNativeDecoder,
  decodeInJavaScript,
  decodeNatively,
  decodeWithoutNode,
  decompress,
} from '../../lib/archive/decompress.js';
import type { FramePart } from '../../lib/archive/zstd-frames.js';
import { withResolvers } from '../../lib/async/with-resolvers.js';
import { rawFrame, zstd, zstdFrames } from '../client/archives.js';
import { SeededRandom, seededBytes } from '../support/random.js';
import { runBinary } from '../support/run.js';

const MAGIC = [0x28, 0xb5, 0x2f, 0xfd];
/** Of a frame with a window, without size and dictionary. */
const FRAME_HEADER_BYTES = 6;
/** One block, raw and empty. */
const EMPTY_BLOCK = [0x01, 0x00, 0x00];

const text = Buffer.from(Array.from({ length: 60_000 }, (_, i) => `line ${i % 7919}\n`).join(''));
const noise = seededBytes('zstd', 700_000);

/** In chunks of any size, bounds of frames and blocks notwithstanding. */
async function* inChunks(bytes: Buffer, seed: number): AsyncGenerator<Buffer> {
  const random = new SeededRandom(seed);
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + random.below(random.below(4) === 0 ? 40 : 70_000);
    yield bytes.subarray(at, at + length);
    at += length;
  }
}

const decoders = [
  { name: 'in JavaScript', decode: decodeInJavaScript },
  { name: 'with WebAssembly for small frames', decode: decodeWithoutNode },
  {
    name: 'with WebAssembly alone, as on big-endian machines',
    decode: (parts: AsyncIterable<FramePart>) => decodeWithoutNode(parts, true),
  },
  { name: 'natively', decode: decodeNatively },
].slice(0, createNativeDecoder() ? 4 : 3);

test("Node's own decoder is used where there is one", () => {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const expected = major > 23 || (major === 23 && minor >= 8) || (major === 22 && minor >= 15);
  expect(createNativeDecoder() !== undefined).toBe(expected);
});

describe.each(decoders)('A decoder $name', ({ decode }) => {
  const decoded = async (bytes: Buffer, seed = 1) =>
    buffer(Readable.from(decompress(inChunks(bytes, seed), decode)));

  test.each<[string, () => Promise<Buffer>]>([
    ['one frame', () => zstd(Buffer.concat([text, noise]))],
    ['one frame without a checksum', () => zstd(text, '--no-check')],
    ['raw blocks and a checksum', () => zstd(noise.subarray(0, 100_000))],
    ['strong compression', () => zstd(text, '-19')],
    ['a window of 128 MiB', () => zstd(text, '--long=27', '--no-content-size')],
    ['frames in a row', () => zstdFrames(Buffer.concat([text, noise, text]), 150_001)],
    ['raw blocks', async () => rawFrame(noise)],
    ['runs of a byte', () => zstd(Buffer.alloc(3_000_000, 'r'))],
    ['no bytes in a frame', () => zstd(Buffer.alloc(0))],
    [
      'frames of all kinds, and skippable ones',
      async () =>
        Buffer.concat([
          skippable(0, Buffer.alloc(0)),
          await zstd(text, '-1'),
          await zstd(Buffer.alloc(0)),
          rawFrame(noise),
          skippable(15, noise.subarray(0, 100_000)),
          rawFrame(Buffer.from('few')),
          await zstd(Buffer.from('few'), '--no-check'),
          await zstd(noise),
          skippable(7, Buffer.from('end')),
        ]),
    ],
    [
      'pzstd',
      () =>
        runBinary('pzstd', ['-q', '-p', '3', '-c'], { input: Buffer.concat([noise, text, noise]) }),
    ],
  ])('decodes %s as zstd does', async (_name, make) => {
    const input = await make();
    const expected = await runBinary('zstd', ['-dcq', '--long=27'], { input });
    for (const seed of [1, 2]) {
      expect((await decoded(input, seed)).equals(expected)).toBe(true);
    }
  });

  test.each([100, 3000, 65_536, 131_072])(
    'finds what compressed blocks repeat from raw blocks of %d bytes',
    async (size) => {
      const input = await mixedFrame(size);
      const expected = await runBinary('zstd', ['-dcq'], { input });
      for (const seed of [1, 2, 3])
        expect((await decoded(input, seed)).equals(expected)).toBe(true);
    },
  );

  test('refuses a frame that does not have the size that it declares', async () => {
    const [header, content] = [Buffer.from([...MAGIC, 0x60, 0, 0]), noise.subarray(0, 1000)];
    header.writeUInt16LE(1001 - 256, 5);
    const block = Buffer.alloc(3);
    block.writeUIntLE((content.length << 3) | 1, 0, 3);
    const input = Buffer.concat([header, block, content]);
    await expect(decoded(input)).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
    header.writeUInt16LE(1000 - 256, 5);
    expect((await decoded(Buffer.concat([header, block, content]))).equals(content)).toBe(true);
  });

  test.each<[string, () => Promise<Buffer>]>([
    ['compressed blocks', () => zstd(text, '-1')],
    ['raw blocks', () => zstd(noise.subarray(0, 100_000))],
    ['raw blocks and a compressed one', () => mixedFrame(65_536, '--check')],
  ])('refuses a frame of %s whose checksum is wrong', async (_name, make) => {
    const input = await make();
    expect(await decoded(input)).not.toHaveLength(0);
    input.writeUInt8(input.readUInt8(input.length - 1) ^ 1, input.length - 1);
    await expect(decoded(input)).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
  });

  test('refuses a frame that is damaged inside', async () => {
    const input = await zstd(text, '-1');
    input.fill(0xff, 1000, 1100);
    await expect(decoded(input)).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
  });

  test('fails with the error of its source', async () => {
    const cause = new Error('the source failed');
    async function* failing() {
      yield await zstd(text);
      throw cause;
    }
    const result = buffer(Readable.from(decompress(failing(), decode)));
    await expect(result).rejects.toBe(cause);
  });

  test('ends its source when its reader stops', async () => {
    const { promise: ended, resolve: end } = withResolvers<void>();
    async function* endless() {
      try {
        for (;;) yield rawFrame(noise);
      } finally {
        end();
      }
    }
    for await (const bytes of decompress(endless(), decode)) {
      if (bytes.length > 0) break;
    }
    // A stream in between may pass it on a few turns later.
    await ended;
  });
});

test.each([
  ['stored blocks', 7],
  ['blocks decoded in JavaScript', 8], // a window over that of one block
])('The memory of a decoder is given back after %s', async (_, exponent) => {
  const blocks: WeakRef<ArrayBufferLike>[] = [];
  async function* source() {
    const header = rawFrame(Buffer.alloc(0)).subarray(0, FRAME_HEADER_BYTES);
    header.writeUInt8(exponent << 3, 5);
    yield header;
    for (let i = 0; i < 100; i++) {
      const block = Buffer.alloc(3 + 100_000);
      block.writeUIntLE(100_000 << 3, 0, 3);
      blocks.push(new WeakRef(block.buffer));
      yield block;
      await new Promise(setImmediate); // a WeakRef keeps its target until the next turn
    }
    collectGarbage();
    yield Buffer.from(EMPTY_BLOCK);
  }
  let bytes = 0;
  for await (const { length } of decompress(source(), decodeInJavaScript)) bytes += length;
  expect(bytes).toBe(100 * 100_000);
  expect(blocks.filter((block) => block.deref() !== undefined).length).toBeLessThan(10);
});

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
}

describe('Before it allocates anything, a decoder', () => {
  /** Frame_Header_Descriptor and what follows it. */
  const frame = (...bytes: number[]) => Buffer.from([...MAGIC, ...bytes, ...EMPTY_BLOCK]);
  const window = (exponent: number, mantissa: number) => (exponent << 3) | mantissa;

  test.each([
    ['with a window over 128 MiB', frame(0x00, window(17, 1))],
    ['with a window of terabytes', frame(0x00, window(31, 7))],
    ['as a single segment of 256 MiB', frame(0xa0, 0x00, 0x00, 0x00, 0x10)],
    ['as a single segment of 2^64 - 1', frame(0xe0, ...new Array<number>(8).fill(0xff))],
    ['that needs a dictionary', frame(0x01, window(7, 0), 0x2a)],
    ['with the reserved bit', frame(0x08, window(7, 0))],
    ['with a reserved block', Buffer.from([...MAGIC, 0x00, window(7, 0), 0x07, 0, 0])],
    ['with a block over 128 KiB', Buffer.from([...MAGIC, 0x00, window(9, 0), 0x03, 0x00, 0x20, 0])],
    ['with a block over its window', Buffer.from([...MAGIC, 0x20, 0x02, 0x19, 0, 0, 1, 2, 3])],
    ['with the magic number of older versions', Buffer.from([0x27, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0])],
  ])('refuses a frame %s', async (_, bytes) => {
    const result = buffer(Readable.from(decompress(inChunks(bytes, 1))));
    await expect(result).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
  });

  test('accepts a frame that is just at the limit', async () => {
    const bytes = frame(0x00, window(17, 0));
    expect(await buffer(Readable.from(decompress(inChunks(bytes, 1))))).toHaveLength(0);
  });
});

/**
 * A frame with a window of 128 KiB whose first blocks are raw, of `size` bytes each, and whose last is
 * compressed and repeats what they hold.
 */
async function mixedFrame(size: number, check = '--no-check'): Promise<Buffer> {
  const history = noise.subarray(0, 3 * 131_072);
  const again = history.subarray(-100_000);
  const options = ['-19', '--zstd=wlog=17', check, '--no-content-size'];
  const whole = await zstd(Buffer.concat([history, again]), ...options);
  let at = FRAME_HEADER_BYTES;
  for (let blocks = 0; blocks < 3; blocks++) {
    // Its own first blocks are raw as well, and their bytes the same.
    expect(whole.readUIntLE(at, 3)).toBe(131_072 << 3);
    at += 3 + 131_072;
  }
  expect(whole.length - at).toBeLessThan(1000);
  const parts = [whole.subarray(0, FRAME_HEADER_BYTES)];
  for (let start = 0; start < history.length; start += size) {
    const content = history.subarray(start, start + size);
    const header = Buffer.alloc(3);
    header.writeUIntLE(content.length << 3, 0, 3);
    parts.push(header, content);
  }
  return Buffer.concat([...parts, whole.subarray(at)]);
}

function skippable(kind: number, content: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(0x184d2a50 + kind, 0);
  header.writeUInt32LE(content.length, 4);
  return Buffer.concat([header, content]);
}

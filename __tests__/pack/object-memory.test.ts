import { deflateSync, constants as zlib } from 'node:zlib';
import fc from 'fast-check';
import { MAX_INFLATED_BYTES } from '../../lib/pack/format.js';
import { inflateByZlib } from '../../lib/pack/inflate.js';
import { ObjectMemory } from '../../lib/pack/object-memory.js';
import { rounds, seedOf } from '../support/effort.js';
import { inflateWithInfo } from '../support/inflate-with-info.js';
import { SeededRandom, seededBytes } from '../support/random.js';

const memory = new ObjectMemory(1024);

/** Contents of all kinds: noise, words, runs, and one byte again and again. */
const content = fc.oneof(
  fc.uint8Array({ maxLength: 2000 }),
  fc
    .array(fc.constantFrom('tree', 'blob ', 'a', '\n', '100644 file', '0'.repeat(300)), {
      maxLength: 200,
    })
    .map((words) => Buffer.from(words.join(''))),
  fc.tuple(fc.nat(70_000), fc.nat(255)).map(([size, byte]) => Buffer.alloc(size, byte)),
);

const deflated = fc.record({
  level: fc.integer({ min: 0, max: 9 }),
  strategy: fc.constantFrom(
    zlib.Z_DEFAULT_STRATEGY,
    zlib.Z_FIXED,
    zlib.Z_HUFFMAN_ONLY,
    zlib.Z_RLE,
    zlib.Z_FILTERED,
  ),
  windowBits: fc.integer({ min: 9, max: 15 }),
  memLevel: fc.integer({ min: 1, max: 9 }),
});

/** Inflates at some place of the window, with other bytes before and after. */
function inflate(stream: Uint8Array, size: number, start = 7, after: Uint8Array = Buffer.alloc(0)) {
  memory.window.fill(0x78, 0, start);
  memory.window.set(stream, start);
  memory.window.set(after, start + stream.length);
  const end = start + stream.length + after.length;
  // The bytes after the end must not matter.
  memory.window.set(seededBytes(end, Math.min(64, memory.window.length - end)), end);
  const used = memory.inflate(start, end, size);
  return { used, content: memory.output.subarray(0, size) };
}

function expectInflated(stream: Uint8Array, expected: Uint8Array, after?: Uint8Array): void {
  const result = inflate(stream, expected.length, 7, after);
  expect(result.used).toBe(stream.length);
  expect(result.content.equals(expected)).toBe(true);
}

describe('A stream of zlib is inflated', () => {
  test('with any of its settings', () => {
    fc.assert(
      fc.property(content, deflated, fc.uint8Array({ maxLength: 40 }), (expected, how, after) => {
        expectInflated(deflateSync(expected, how), expected, after);
      }),
      { seed: seedOf('pack/object-memory'), numRuns: rounds(500, 20_000) },
    );
  });

  test('with every length at many distances', () => {
    const noise = seededBytes('distances', 33_000);
    for (const distance of [1, 2, 3, 4, 7, 8, 9, 15, 16, 31, 257, 4096, 5000, 32_768]) {
      for (let length = 3; length <= 258; length++) {
        const start = noise.subarray(0, distance);
        const copied = Buffer.from(Array.from({ length }, (_, i) => start[i % distance] ?? 0));
        const expected = Buffer.concat([start, copied, Buffer.of(length & 255)]);
        if (distance > 5000 && length % 50 !== 3) continue;
        expectInflated(deflateSync(expected, { level: 9, strategy: zlib.Z_FIXED }), expected);
      }
    }
  });

  test('with codes of up to 15 bits', () => {
    // Bytes as frequent as the Fibonacci numbers make codes as long as they can be.
    const counts = [1, 1];
    while (counts.length < 24) counts.push((counts.at(-1) ?? 0) + (counts.at(-2) ?? 0));
    const bytes = counts.flatMap((n, byte) => Array<number>(Math.min(n, 20_000)).fill(byte));
    const random = new SeededRandom(3);
    for (let i = bytes.length - 1; i > 0; i--) {
      const j = random.below(i + 1);
      [bytes[i], bytes[j]] = [bytes[j] ?? 0, bytes[i] ?? 0];
    }
    const expected = Buffer.from(bytes);
    const options = { strategy: zlib.Z_HUFFMAN_ONLY, memLevel: 9 };
    expectInflated(deflateSync(expected, options), expected);
  });

  test.each([0, 1, MAX_INFLATED_BYTES - 1, MAX_INFLATED_BYTES])('of %d bytes', (size) => {
    const contents = [
      seededBytes('size', size),
      Buffer.alloc(size, 'ab'),
      Buffer.alloc(size, 0xff),
    ];
    for (const expected of contents) {
      expectInflated(deflateSync(expected), expected);
    }
  });

  test('at the very end of the window', () => {
    const expected = Buffer.from('the end\n'.repeat(40));
    const stream = deflateSync(expected);
    const result = inflate(stream, expected.length, memory.window.length - stream.length);
    expect(result.used).toBe(stream.length);
    expect(result.content.equals(expected)).toBe(true);
  });
});

test('A stream that is cut off is reported as incomplete', () => {
  for (const [seed, options] of [
    ['a', {}],
    ['b', { level: 0 }],
    ['c', { strategy: zlib.Z_FIXED }],
    ['d', { strategy: zlib.Z_HUFFMAN_ONLY }],
  ] as const) {
    const text = Buffer.from(seededBytes(seed, 700).toString('base64').repeat(2));
    const stream = deflateSync(text, options);
    for (let length = 2; length < stream.length; length++) {
      expect({ length, used: inflate(stream.subarray(0, length), text.length).used }).toEqual({
        length,
        used: 0,
      });
    }
  }
});

test('A stream is accepted when zlib accepts it, and no other', () => {
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 });
  const numRuns = rounds(1500, 100_000);
  let taken = 0;
  fc.assert(
    fc.property(
      content,
      deflated,
      damage,
      fc.integer({ min: -1, max: 1 }),
      (body, how, places, more) => {
        const stream = deflateSync(body, how);
        for (const [at, byte] of places) stream[at % stream.length] = byte;
        const size = Math.max(0, body.length + (places.length === 0 ? more : 0));
        // Bytes after the stream, so that no error can be about missing bytes.
        const bytes = Buffer.concat([stream, Buffer.alloc(300_000)]);
        const expected = inflateByZlib(bytes, size);
        const { used, content } = inflate(bytes, size);
        if (typeof expected === 'string') {
          expect({ used: Math.sign(used), places }).toEqual({
            used: expected === 'invalid' ? -1 : 0,
            places,
          });
          return;
        }
        taken++;
        expect(used).toBe(inflateWithInfo(bytes, { info: true }).engine.bytesWritten);
        expect(content.equals(expected)).toBe(true);
      },
    ),
    { seed: seedOf('pack/object-memory'), numRuns },
  );
  expect(taken).toBeGreaterThan(numRuns / 12);
});

/** RFC 1951, 3.1.1: codes begin with their highest bit, numbers with their lowest. */
class BitWriter {
  readonly #bits: number[] = [];

  number(value: number, count: number): this {
    for (let i = 0; i < count; i++) this.#bits.push((value >> i) & 1);
    return this;
  }

  code(code: string): this {
    for (const bit of code) this.#bits.push(Number(bit));
    return this;
  }

  /** The zlib stream, for this content. */
  stream(content: string): Buffer {
    const bytes = Buffer.alloc(Math.ceil(this.#bits.length / 8));
    for (const [i, bit] of this.#bits.entries()) {
      bytes[i >> 3] = (bytes[i >> 3] ?? 0) | (bit << (i & 7));
    }
    const sum = deflateSync(content).subarray(-4);
    return Buffer.concat([Buffer.of(0x78, 0x9c), bytes, sum]);
  }
}

/** A block without content whose codes have 1, 2, 3, … 14, 14 bits: 0, 10, 110, … */
function emptyBlockOfLongCodes(): BitWriter {
  const writer = new BitWriter().number(0, 1).number(2, 2);
  writer.number(0, 5).number(14, 5).number(15, 4);
  const order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
  for (const symbol of order) writer.number(symbol < 16 ? 4 : 0, 3);
  const lengths = [...Array(257 + 15).keys()].map((i) => {
    if (i === 256) return 14;
    if (i > 256) return Math.min(i - 256, 14);
    return i < 14 ? i + 1 : 0;
  });
  for (const length of lengths) writer.code(length.toString(2).padStart(4, '0'));
  return writer.code('1'.repeat(14));
}

describe('After a block with long codes, the fixed code', () => {
  const fixed = () => emptyBlockOfLongCodes().number(1, 1).number(1, 2);
  const end = '0000000';
  const a = '10010001';

  test('is the usual one', () => {
    expectInflated(fixed().code(a).code(end).stream('a'), Buffer.from('a'));
  });

  // With the bits after them, they would be long codes of the block before.
  test.each([
    ['literal 286', fixed().code('11000110').code('1111111110').code(end).stream('\t'), 1],
    ['literal 287', fixed().code('11000111').code('1111111110').code(end).stream('\t'), 1],
    [
      'distance 31',
      fixed()
        .code(a.repeat(8))
        .code('0000001')
        .code('111110')
        .number(0, 1)
        .code(end)
        .stream('a'.repeat(11)),
      11,
    ],
  ])('has no %s', (_, stream, size) => {
    const after = Buffer.alloc(100);
    expect(inflateByZlib(Buffer.concat([stream, after]), size)).toBe('invalid');
    expect(inflate(stream, size, 7, after).used).toBeLessThan(0);
  });
});

test.each([
  ['a dictionary', deflateSync('some text', { dictionary: Buffer.from('some text') })],
  ['another method', Buffer.of(0x79, 0x9c - 0x1f, 0x03, 0, 0, 0, 0, 1)],
  ['a block of type 3', Buffer.of(0x78, 0x9c, 0x07, 0, 0, 0, 0, 1)],
  ['a wrong sum', Buffer.concat([deflateSync('some text').subarray(0, -1), Buffer.of(0)])],
])('A stream with %s is refused', (_, stream) => {
  const after = Buffer.alloc(100);
  expect(inflateByZlib(Buffer.concat([stream, after]), 9)).toBe('invalid');
  expect(inflate(stream, 9, 7, after).used).toBeLessThan(0);
});

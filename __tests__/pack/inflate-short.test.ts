import { deflateSync, constants as zlib } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { inflateEntry } from '../../lib/pack/inflate.js';
import { inflateShort, SHORT_BYTES } from '../../lib/pack/inflate-short.js';

const GUARD = 0xdd;

/** Contents with and without repetitions. */
const content = fc.oneof(
  fc.uint8Array({ maxLength: SHORT_BYTES }),
  fc
    .array(fc.constantFrom('tree', 'blob ', 'a', '\n', '100644 file'), { maxLength: 60 })
    .map((words) => Buffer.from(words.join('').slice(0, SHORT_BYTES))),
);

/** Inflates between guards that must stay as they are. */
function inflate(stream: Uint8Array, size: number): { used: number; content: Buffer } {
  const out = Buffer.alloc(size + 300, GUARD);
  const before = Buffer.alloc(7, 0x78);
  const bytes = Buffer.concat([before, stream]);
  const used = inflateShort(bytes, before.length, bytes.length, out, size);
  expect(out.subarray(size).every((byte) => byte === GUARD)).toBe(true);
  return { used, content: out.subarray(0, size) };
}

describe('inflates what zlib deflates', () => {
  test.each([
    ['with fixed codes', { strategy: zlib.Z_FIXED }],
    ['without compression', { level: 0 }],
    ['with fixed codes and a small window', { strategy: zlib.Z_FIXED, windowBits: 9, level: 9 }],
  ])('%s', (_, options) => {
    fc.assert(
      fc.property(content, fc.uint8Array({ maxLength: 20 }), (expected, after) => {
        const stream = deflateSync(expected, options);
        const result = inflate(Buffer.concat([stream, after]), expected.length);
        expect(result.used).toBe(stream.length);
        expect(result.content.equals(expected)).toBe(true);
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  test('with every length and distance that fits', () => {
    for (let distance = 1; distance < 250; distance++) {
      const start = Buffer.from(Array.from({ length: distance }, (_, i) => (i * 7) & 0xff));
      for (const length of [3, 4, 10, 11, 12, 30, 67, 130, 200, 255]) {
        if (distance + length > SHORT_BYTES) continue;
        const copied = Buffer.from(Array.from({ length }, (_, i) => start[i % distance] ?? 0));
        const expected = Buffer.concat([start, copied]);
        const stream = deflateSync(expected, { strategy: zlib.Z_FIXED, level: 9 });
        const result = inflate(stream, expected.length);
        expect(result.used).toBe(stream.length);
        expect(result.content.equals(expected)).toBe(true);
      }
    }
  });
});

test('takes nothing that zlib does not take in the same way', () => {
  const options = fc.constantFrom({ strategy: zlib.Z_FIXED }, { level: 0 }, { level: 1 });
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 2 });
  let taken = 0;
  fc.assert(
    fc.property(content, options, damage, fc.nat(), fc.nat(2), (body, how, places, cut, more) => {
      const stream = deflateSync(body, how);
      for (const [at, byte] of places) stream[at % stream.length] = byte;
      const bytes = stream.subarray(0, stream.length - (cut % 4 === 0 ? cut % stream.length : 0));
      const size = Math.max(0, body.length + (places.length === 0 ? more - 1 : 0));
      const { used, content } = inflate(bytes, size);
      if (used === 0) return;
      taken++;
      const expected = inflateEntry(bytes, size);
      if (typeof expected === 'string') throw new Error(`zlib says that this is ${expected}`);
      expect(used).toBe(expected.engine.bytesWritten);
      expect(content.equals(expected.buffer)).toBe(true);
    }),
    { seed: 2, numRuns: 5000 },
  );
  expect(taken).toBeGreaterThan(500);
});

test('leaves dynamic codes, several blocks and dictionaries to zlib', () => {
  const text = Buffer.from('the quick brown fox jumps over the lazy dog; '.repeat(5));
  const dynamic = deflateSync(seeded(), { level: 9, strategy: zlib.Z_HUFFMAN_ONLY });
  expect((dynamic[2] ?? 0) & 6).toBe(4);
  expect(inflate(dynamic, SHORT_BYTES).used).toBe(0);
  const twoBlocks = Buffer.concat([
    Buffer.of(0x78, 0x01, 0, 0, 0, 0xff, 0xff),
    deflateSync(text).subarray(2),
  ]);
  expect(inflate(twoBlocks, text.length).used).toBe(0);
  const withDictionary = deflateSync(text, { dictionary: text.subarray(0, 50) });
  expect(inflate(withDictionary, text.length).used).toBe(0);
});

/** Few different bytes, unevenly: codes of their own pay. */
function seeded(): Buffer {
  return Buffer.from(Array.from({ length: SHORT_BYTES }, (_, i) => (i % 7 === 0 ? i % 31 : 200)));
}

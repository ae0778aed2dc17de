/** @one-node-version */
import fc from 'fast-check';
import {
  DELIM_PKT,
  encodePktLine,
  FLUSH_PKT,
  type PktLine,
  readPktLines,
} from '../../lib/git/pkt-line.js';
import { encodePacket } from '../support/pkt-line.js';

const invalid = expect.objectContaining({ name: 'SnapshotError', code: 'UPSTREAM_INVALID' });
/** The longest line: 65,520 bytes with its length. */
const MAX_PAYLOAD = 65_516;

type Line = 'flush' | 'delim' | 'end' | Buffer;

/** Markers as text. Payloads are copied, because they are valid only until the next line. */
async function readAll(chunks: Iterable<Uint8Array>): Promise<Line[]> {
  async function* source(): AsyncGenerator<Uint8Array> {
    yield* chunks;
  }
  const lines: Line[] = [];
  for await (const line of readPktLines(source())) lines.push(copy(line));
  return lines;
}

function copy(line: PktLine): Line {
  return line.kind === 'data' ? Buffer.from(line.payload) : line.kind;
}

function encode(line: Line): Buffer {
  if (typeof line !== 'string') return encodePacket(line);
  return Buffer.from({ flush: '0000', delim: '0001', end: '0002' }[line]);
}

function* cut(bytes: Buffer, sizes: readonly number[]): Generator<Buffer> {
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

test('Lines are read in whatever pieces they arrive', async () => {
  const payload = fc.oneof(
    { weight: 5, arbitrary: fc.uint8Array({ maxLength: 30 }) },
    {
      weight: 1,
      arbitrary: fc.integer({ min: 60_000, max: MAX_PAYLOAD }).map((n) => new Uint8Array(n)),
    },
  );
  const line = fc.oneof(
    payload.map((bytes): Line => Buffer.from(bytes)),
    fc.constantFrom<Line>('flush', 'delim', 'end'),
  );
  const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constant(65_536)), {
    minLength: 1,
    maxLength: 5,
  });
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 12 }), sizes, async (lines, pieces) => {
      const bytes = Buffer.concat(lines.map(encode));
      const read = await readAll(cut(bytes, pieces));
      expect(read).toHaveLength(lines.length);
      expect(Buffer.concat(read.map(encode)).equals(bytes)).toBe(true);
    }),
    { numRuns: 100, seed: 1 },
  );
});

test('Empty chunks, empty lines, the longest line and upper-case lengths are read', async () => {
  const longest = Buffer.alloc(MAX_PAYLOAD, 'x');
  expect(await readAll([Buffer.alloc(0), encodePacket(longest), Buffer.alloc(0)])).toEqual([
    longest,
  ]);
  expect(await readAll([Buffer.from('00040000')])).toEqual([Buffer.alloc(0), 'flush']);
  expect(await readAll([Buffer.from('000Eten bytes!')])).toEqual([Buffer.from('ten bytes!')]);
  expect(await readAll([])).toEqual([]);
});

describe('A reader of lines refuses', () => {
  test.each(['0003', 'fff1', 'ffff', '00g0', '    ', '-001', '+004', '0x10', '\0\0\0\0', 'PACK'])(
    'the length %j',
    async (length) => {
      const bytes = Buffer.from(`0005x${length}`);
      for (const size of [1, 3, 100]) {
        await expect(readAll(cut(bytes, [size]))).rejects.toEqual(invalid);
      }
    },
  );

  test('a stream that ends within a line', async () => {
    const bytes = encodePacket('some payload');
    for (let length = 1; length < bytes.length; length++) {
      for (const size of [1, 100]) {
        await expect(readAll(cut(bytes.subarray(0, length), [size]))).rejects.toEqual(invalid);
      }
    }
  });
});

test('Lines are written as they are read', async () => {
  const written = Buffer.concat([
    encodePktLine('want é\n'),
    DELIM_PKT,
    encodePktLine(''),
    FLUSH_PKT,
  ]);
  expect(written.toString()).toBe('000cwant é\n000100040000');
  expect(await readAll([written])).toEqual([
    Buffer.from('want é\n'),
    'delim',
    Buffer.alloc(0),
    'flush',
  ]);
});

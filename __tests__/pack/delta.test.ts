import fc from 'fast-check';
import { SnapshotError } from '../../lib/errors.js';
import { applyDelta, DeltaHeader, malformedDelta, parseDeltaHeader } from '../../lib/pack/delta.js';
import { ObjectMemory, OVERWRITTEN_BYTES } from '../../lib/pack/object-memory.js';
import { deltaSize, type Instruction, makeDelta } from '../support/delta.js';

const GUARD = 40;
const BASE = Buffer.from(Array.from({ length: 70_000 }, (_, i) => (i * 7 + (i >> 8)) & 0xff));

const invalid = expect.objectContaining({ code: 'UPSTREAM_INVALID' });

/** Applies a delta to a base; no byte outside of the result may be written. */
type Apply = (delta: Buffer, base: Buffer) => Buffer;

function applyInBuffers(delta: Buffer, base: Buffer): Buffer {
  const header = new DeltaHeader();
  parseDeltaHeader(delta, header);
  const held = Buffer.concat([Buffer.alloc(GUARD, 0xee), base, Buffer.alloc(GUARD, 0xee)]);
  const room = Buffer.alloc(GUARD + header.resultSize + GUARD, 0xdd);
  try {
    applyDelta(delta, header, held, GUARD, room, GUARD);
  } finally {
    const guards = Buffer.concat([room.subarray(0, GUARD), room.subarray(-GUARD)]);
    expect(guards.every((byte) => byte === 0xdd)).toBe(true);
  }
  return room.subarray(GUARD, -GUARD);
}

const memory = new ObjectMemory(1024 * 1024);

function applyInMemory(delta: Buffer, base: Buffer): Buffer {
  const header = new DeltaHeader();
  parseDeltaHeader(delta, header);
  const { ring } = memory;
  ring.fill(0xdd);
  ring.set(base, GUARD);
  // Before and behind it lies the base.
  const at = GUARD + base.length + GUARD;
  const end = at + header.resultSize;
  ring.set(base, end + OVERWRITTEN_BYTES);
  const applied = memory.applyDelta(delta, header, GUARD, at);
  expect(ring.subarray(GUARD, GUARD + base.length).equals(base)).toBe(true);
  expect(ring.subarray(at - GUARD, at).every((byte) => byte === 0xdd)).toBe(true);
  const behind = end + OVERWRITTEN_BYTES;
  expect(ring.subarray(behind, behind + base.length).equals(base)).toBe(true);
  if (!applied) throw malformedDelta();
  return Buffer.from(ring.subarray(at, end));
}

/** The result of instructions by the rules of gitformat-pack; `undefined` when they break these. */
function applyByTheBook(delta: Buffer, base: Buffer): Buffer | undefined {
  const parts: Buffer[] = [];
  for (let i = 0; i < delta.length; ) {
    const op = delta[i++] ?? 0;
    if (op === 0) return undefined;
    let part: Buffer;
    if (op < 0x80) {
      part = delta.subarray(i, i + op);
      i += op;
      if (i > delta.length) return undefined;
    } else {
      const operands: number[] = [];
      for (let bit = 0; bit < 7; bit++) {
        if (op & (1 << bit) && i >= delta.length) return undefined;
        operands.push(op & (1 << bit) ? (delta[i++] ?? 0) : 0);
      }
      const [a = 0, b = 0, c = 0, d = 0, x = 0, y = 0, z = 0] = operands;
      const from = a + b * 2 ** 8 + c * 2 ** 16 + d * 2 ** 24;
      const length = x + y * 2 ** 8 + z * 2 ** 16 || 0x10000;
      if (from + length > base.length) return undefined;
      part = base.subarray(from, from + length);
    }
    parts.push(part);
  }
  return Buffer.concat(parts);
}

const instruction: fc.Arbitrary<Instruction> = fc.oneof(
  fc
    .tuple(fc.nat(BASE.length), fc.oneof(fc.nat(60), fc.nat(BASE.length), fc.constant(0x10000)))
    .map(([from, size]): Instruction => {
      const start = Math.min(from, BASE.length - Math.max(size, 1));
      return { copy: [Math.max(start, 0), Math.max(size, 1)] };
    }),
  fc.uint8Array({ minLength: 1, maxLength: 300 }).map((insert): Instruction => ({ insert })),
);

describe.each<[string, Apply]>([
  ['A delta in a buffer', applyInBuffers],
  ['A delta in WebAssembly', applyInMemory],
])('%s', (_, apply) => {
  test('is applied as it says', () => {
    fc.assert(
      fc.property(fc.array(instruction, { maxLength: 12 }), (instructions) => {
        const expected = Buffer.concat(
          instructions.map((part) => {
            if ('copy' in part) return BASE.subarray(part.copy[0], part.copy[0] + part.copy[1]);
            return Buffer.from('insert' in part ? part.insert : '');
          }),
        );
        const delta = makeDelta(BASE.length, expected.length, instructions);
        expect(apply(delta, BASE).equals(expected)).toBe(true);
      }),
      { seed: 1 },
    );
  });

  test('of any bytes is judged by the format, and never writes outside of its result', () => {
    let accepted = 0;
    const base = BASE.subarray(0, 300);
    const opcodes = fc.constantFrom(0x80, 0x90, 0x91, 0x91, 0xb0, 0xff, 1, 2, 5, 0);
    const anyBytes = fc.array(fc.oneof(opcodes, fc.nat(40)), { maxLength: 10 });
    const difference = fc.constantFrom(0, 0, 1, -1);
    fc.assert(
      fc.property(anyBytes, difference, (bytes, wrongBy) => {
        const instructions = Buffer.from(bytes);
        const expected = applyByTheBook(instructions, base);
        const size = Math.max(0, (expected?.length ?? 50) + wrongBy);
        const delta = Buffer.concat([deltaSize(base.length), deltaSize(size), instructions]);
        if (delta.length >= 4 && expected?.length === size) {
          accepted++;
          expect(apply(delta, base)).toEqual(expected);
        } else {
          expect(() => apply(delta, base)).toThrow(invalid);
        }
      }),
      { numRuns: 3000, seed: 1 },
    );
    expect(accepted).toBeGreaterThan(50);
  });

  test('that is cut off is refused', () => {
    const delta = makeDelta(BASE.length, 70_005, [
      { copy: [0x1ff, 0x10001] },
      { insert: 'some text that is long enough to be copied in one piece' },
      { copy: [1, 70_005 - 0x10001 - 55] },
    ]);
    expect(apply(delta, BASE)).toHaveLength(70_005);
    for (let length = 0; length < delta.length; length++) {
      expect(() => apply(delta.subarray(0, length), BASE)).toThrow(SnapshotError);
    }
  });
});

test('Sizes of up to 49 bits in a delta are read, however they are written', () => {
  const header = new DeltaHeader();
  for (const size of [0, 1, 127, 128, 2 ** 31, 2 ** 32 + 5, 2 ** 48]) {
    const sizes = Buffer.concat([deltaSize(size), deltaSize(size + 1)]);
    parseDeltaHeader(Buffer.concat([sizes, Buffer.alloc(4)]), header);
    expect(header).toMatchObject({
      baseSize: size,
      resultSize: size + 1,
      instructionsAt: sizes.length,
    });
  }
  parseDeltaHeader(Buffer.of(0x85, 0x80, 0x00, 0x07), header);
  expect(header).toMatchObject({ baseSize: 5, resultSize: 7, instructionsAt: 4 });
  for (const endless of [
    Buffer.alloc(30, 0x80),
    Buffer.alloc(30, 0xff),
    Buffer.of(1, 0xff, 0xff, 0xff),
  ]) {
    expect(() => parseDeltaHeader(endless, header)).toThrow(invalid);
  }
});

test('A delta can be applied from the buffer to which entries are inflated', () => {
  const base = BASE.subarray(0, 1000);
  memory.ring.set(base, 0);
  const delta = makeDelta(1000, 900, [{ copy: [100, 800] }, { insert: Buffer.alloc(100, 7) }]);
  const header = new DeltaHeader();
  memory.output.set(delta, 3);
  parseDeltaHeader(memory.output, header, 3, 3 + delta.length);
  expect(memory.applyDelta(memory.output, header, 0, 2000)).toBe(true);
  const expected = Buffer.concat([base.subarray(100, 900), Buffer.alloc(100, 7)]);
  expect(memory.ring.subarray(2000, 2900).equals(expected)).toBe(true);
});

import fc from 'fast-check';
import {
  EntryHeader,
  EntryType,
  MAX_ENTRY_HEADER_BYTES,
  parseEntryHeader,
  parsePackHeader,
} from '../../lib/pack/format.js';
import { entryHeader, makePack } from '../support/hostile-pack.js';

const OID = '0123456789abcdef0123456789abcdef01234567';
const size = fc.oneof(
  fc.integer({ min: 0, max: 70_000 }),
  fc.integer({ min: 0, max: 52 }).map((bits) => 2 ** bits),
  fc.maxSafeNat(),
);

describe('The header of a pack entry', () => {
  test('is read wherever it lies, and not before it is complete', () => {
    const type = fc.constantFrom(...Object.values(EntryType));
    const room = fc.uint8Array({ maxLength: 40 });
    fc.assert(
      fc.property(type, size, room, room, (typeNumber, declared, before, after) => {
        const own = entryHeader(typeNumber, declared);
        const base =
          typeNumber === EntryType.ofsDelta
            ? Buffer.of(0x81, 0x00)
            : typeNumber === EntryType.refDelta
              ? Buffer.from(OID, 'hex')
              : Buffer.alloc(0);
        const bytes = Buffer.concat([before, own, base, after]);
        const end = before.length + own.length + base.length;
        expect(end - before.length).toBeLessThanOrEqual(MAX_ENTRY_HEADER_BYTES);
        const header = new EntryHeader();
        expect(parseEntryHeader(bytes, before.length, bytes.length, header)).toBe('ok');
        expect(header).toMatchObject({
          type: typeNumber,
          size: declared,
          length: end - before.length,
        });
        if (typeNumber === EntryType.ofsDelta) expect(header.baseDistance).toBe(256);
        if (typeNumber === EntryType.refDelta) {
          const at = header.baseOidAt;
          expect(bytes.toString('hex', at, at + 20)).toBe(OID);
        }
        for (let cut = before.length; cut < end; cut++) {
          expect(parseEntryHeader(bytes, before.length, cut, new EntryHeader())).toBe('incomplete');
        }
      }),
      { seed: 1 },
    );
  });

  test('gives the distance to its base that was written', () => {
    for (const distance of [1, 127, 128, 16_511, 16_512, 2_113_663, 2_113_664, 2 ** 40, 2 ** 48]) {
      const pack = makePack([{ type: 'ofs-delta', base: 0, distance, body: '' }]);
      const header = new EntryHeader();
      expect(parseEntryHeader(pack, 12, pack.length, header)).toBe('ok');
      expect(header.baseDistance).toBe(distance);
    }
  });

  test.each([
    ['size', Buffer.alloc(32, 0xff)],
    ['size of zeros', Buffer.concat([Buffer.of(0xb0), Buffer.alloc(31, 0x80)])],
    ['distance', Buffer.concat([Buffer.of(0x60), Buffer.alloc(31, 0xff)])],
  ])('without an end to its %s is invalid', (_, bytes) => {
    expect(parseEntryHeader(bytes, 0, bytes.length, new EntryHeader())).toBe('invalid');
  });
});

test('The header of a pack gives the number of its objects, of up to 32 bits', () => {
  expect(parsePackHeader(makePack([]))).toBe(0);
  expect(parsePackHeader(makePack([], { count: 0xffff_ffff }))).toBe(0xffff_ffff);
  expect(parsePackHeader(makePack([], { magic: 'pack' }))).toBeUndefined();
  expect(parsePackHeader(makePack([], { version: 3 }))).toBeUndefined();
});

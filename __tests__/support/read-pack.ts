import { inflateWithInfo } from './inflate-with-info.js';

export interface ReadEntry {
  /** Of the entry's first byte in the pack. */
  readonly offset: number;
  /** Bytes that the entry takes in the pack. */
  readonly length: number;
  readonly typeNumber: number;
  readonly declaredSize: number;
  /** Offset of the base (type 6) or its hex object id (type 7). */
  readonly base: number | string | undefined;
  /** Inflated: the object, or the delta. */
  readonly body: Buffer;
}

/** Takes apart a pack that is known to be valid, deltas unresolved (gitformat-pack). */
export function readPack(pack: Buffer): ReadEntry[] {
  const entries: ReadEntry[] = [];
  let at = 12;
  for (let count = pack.readUInt32BE(8); count > 0; count--) {
    const offset = at;
    let byte = pack.readUInt8(at++);
    const typeNumber = (byte >> 4) & 7;
    let declaredSize = byte & 15;
    for (let scale = 16; byte & 0x80; scale *= 128) {
      byte = pack.readUInt8(at++);
      declaredSize += (byte & 0x7f) * scale;
    }
    let base: number | string | undefined;
    if (typeNumber === 6) {
      byte = pack.readUInt8(at++);
      let distance = byte & 0x7f;
      while (byte & 0x80) {
        byte = pack.readUInt8(at++);
        distance = (distance + 1) * 128 + (byte & 0x7f);
      }
      base = offset - distance;
    } else if (typeNumber === 7) {
      base = pack.toString('hex', at, at + 20);
      at += 20;
    }
    const { buffer, engine } = inflateWithInfo(pack.subarray(at), { info: true });
    at += engine.bytesWritten;
    entries.push({ offset, length: at - offset, typeNumber, declaredSize, base, body: buffer });
  }
  return entries;
}

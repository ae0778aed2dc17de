import { createHash } from 'node:crypto';
import { deflateSync } from 'node:zlib';

/** gitformat-pack, "Object types". 0 and 5 mean nothing and are refused. */
const TYPES = { commit: 1, tree: 2, blob: 3, tag: 4, 'ofs-delta': 6, 'ref-delta': 7 } as const;

export type PackEntry =
  | (EntryLies & { type: 'commit' | 'tree' | 'blob' | 'tag' })
  /** `base`: position of the base among the entries; `distance`: the bytes back to it, as written. */
  | (EntryLies & { type: 'ofs-delta'; base: number; distance?: number })
  /** `base`: hex object id. */
  | (EntryLies & { type: 'ref-delta'; base: string })
  /** The entry as it is to stand in the pack. */
  | { type: 'raw'; bytes: Uint8Array };

interface EntryLies {
  /** Inflated: the object, or the delta. */
  body: string | Uint8Array;
  /** In place of the body's size. */
  declaredSize?: number;
  /** In place of the type's number. */
  typeNumber?: number;
  /** In place of the deflated body. */
  deflated?: Uint8Array;
}

export interface PackLies {
  magic?: string;
  version?: number;
  /** In place of the number of entries. */
  count?: number;
  /** In place of the SHA-1 of what comes before. */
  trailer?: Uint8Array;
  /** After the trailer. */
  garbage?: Uint8Array;
}

/** Writes a pack byte by byte: a valid one, unless it is told to lie. */
export function makePack(entries: readonly PackEntry[], lies: PackLies = {}): Buffer {
  const header = Buffer.alloc(12);
  header.write(lies.magic ?? 'PACK', 'latin1');
  header.writeUInt32BE(lies.version ?? 2, 4);
  header.writeUInt32BE(lies.count ?? entries.length, 8);

  const offsets: number[] = [];
  const parts: Uint8Array[] = [header];
  let offset = header.length;
  for (const entry of entries) {
    offsets.push(offset);
    // A copy: Node 24 takes small buffers, and the 16 KiB that zlib writes to, from the same block of memory.
    const bytes = new Uint8Array(encodeEntry(entry, offset, offsets));
    parts.push(bytes);
    offset += bytes.length;
  }
  const pack = Buffer.concat(parts);
  const trailer = lies.trailer ?? createHash('sha1').update(pack).digest();
  return Buffer.concat([pack, trailer, lies.garbage ?? Buffer.alloc(0)]);
}

function encodeEntry(entry: PackEntry, offset: number, offsets: readonly number[]): Uint8Array {
  if (entry.type === 'raw') return entry.bytes;
  const body = Buffer.from(entry.body);
  const parts: Uint8Array[] = [
    entryHeader(entry.typeNumber ?? TYPES[entry.type], entry.declaredSize ?? body.length),
  ];
  if (entry.type === 'ref-delta') parts.push(Buffer.from(entry.base, 'hex'));
  if (entry.type === 'ofs-delta') {
    parts.push(baseDistance(entry.distance ?? offset - (offsets[entry.base] ?? offset)));
  }
  return Buffer.concat([...parts, entry.deflated ?? deflate(body)]);
}

/** zlib takes a buffer of `chunkSize` for each call, which takes longer than to deflate a small body. */
function deflate(body: Buffer): Buffer {
  return deflateSync(body, { level: 1, chunkSize: Math.min(body.length + 64, 16_384) });
}

/** Type and size: four bits of the size in the first byte, then groups of seven. */
export function entryHeader(typeNumber: number, size: number): Buffer {
  const bytes = [(typeNumber << 4) | (size % 16)];
  for (let rest = Math.floor(size / 16); rest > 0; rest = Math.floor(rest / 0x80)) {
    const last = bytes.length - 1;
    bytes[last] = (bytes[last] ?? 0) | 0x80;
    bytes.push(rest % 0x80);
  }
  return Buffer.from(bytes);
}

/** The distance back to a base: big-endian groups of seven bits, each but the last less one. */
function baseDistance(distance: number): Buffer {
  const bytes = [distance % 0x80];
  for (let rest = Math.floor(distance / 0x80); rest > 0; rest = Math.floor(rest / 0x80)) {
    rest -= 1;
    bytes.unshift((rest % 0x80) | 0x80);
  }
  return Buffer.from(bytes);
}

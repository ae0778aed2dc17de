import { createHash } from 'node:crypto';
import { SnapshotError } from '../errors.js';
import { compareOids, OID_BYTES } from '../git/object.js';
import type { ScannedObjects } from './object-table.js';

/*
 * Index files: gitformat-pack(5), "Version 2 pack-*.idx files". The same objects give the same bytes
 * as `git index-pack` writes.
 */
const SIGNATURE = 0xff744f63;
const FANOUT_AT = 8;
export const OIDS_AT = FANOUT_AT + 256 * 4;
/** Offsets from here on go into a table of 64-bit ones. */
const FIRST_LARGE_OFFSET = 0x8000_0000;

/**
 * @param packChecksum the pack's trailer.
 * @param firstLargeOffset for tests. `git index-pack --index-version=2,<offset>` names the one before.
 * @returns the whole `.idx` file.
 * @throws SnapshotError `UPSTREAM_INVALID` when two objects have the same id.
 */
export function encodeIdx(
  { count, columns }: ScannedObjects,
  packChecksum: Uint8Array,
  firstLargeOffset = FIRST_LARGE_OFFSET,
): Buffer {
  const order = sortByOid(columns.oids, count);
  let large = 0;
  for (let i = 0; i < count; i++) if ((columns.offsets[i] ?? 0) >= firstLargeOffset) large++;
  const crcsAt = OIDS_AT + count * OID_BYTES;
  const offsetsAt = crcsAt + count * 4;
  const largeAt = offsetsAt + count * 4;
  const trailerAt = largeAt + large * 8;
  const idx = Buffer.alloc(trailerAt + 40);
  idx.writeUInt32BE(SIGNATURE, 0);
  idx.writeUInt32BE(2, 4);

  let nextLarge = 0;
  let firstByte = 0;
  for (let position = 0; position < count; position++) {
    const object = order[position] ?? 0;
    const oidAt = object * OID_BYTES;
    const first = columns.oids[oidAt] ?? 0;
    while (firstByte < first) idx.writeUInt32BE(position, FANOUT_AT + firstByte++ * 4);
    idx.set(columns.oids.subarray(oidAt, oidAt + OID_BYTES), OIDS_AT + position * OID_BYTES);
    idx.writeUInt32BE(columns.crcs[object] ?? 0, crcsAt + position * 4);
    const offset = columns.offsets[object] ?? 0;
    if (offset < firstLargeOffset) {
      idx.writeUInt32BE(offset, offsetsAt + position * 4);
    } else {
      idx.writeUInt32BE(0x8000_0000 + nextLarge, offsetsAt + position * 4);
      idx.writeBigUInt64BE(BigInt(offset), largeAt + nextLarge++ * 8);
    }
  }
  while (firstByte < 256) idx.writeUInt32BE(count, FANOUT_AT + firstByte++ * 4);
  idx.set(packChecksum, trailerAt);
  idx.set(
    createHash('sha1')
      .update(idx.subarray(0, trailerAt + 20))
      .digest(),
    trailerAt + 20,
  );
  return idx;
}

/**
 * Indexes of objects in the order of their ids: by the first two bytes into 65,536 buckets, which
 * for hashes leaves a handful in each, then within the bucket by comparison.
 */
function sortByOid(oids: Uint8Array, count: number): Uint32Array {
  const bucketOf = (i: number) =>
    ((oids[i * OID_BYTES] ?? 0) << 8) | (oids[i * OID_BYTES + 1] ?? 0);
  const ends = new Uint32Array(65536);
  for (let i = 0; i < count; i++) {
    const bucket = bucketOf(i);
    ends[bucket] = (ends[bucket] ?? 0) + 1;
  }
  let sum = 0;
  for (let bucket = 0; bucket < 65536; bucket++) {
    const size = ends[bucket] ?? 0;
    ends[bucket] = sum;
    sum += size;
  }
  const order = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    const bucket = bucketOf(i);
    const position = ends[bucket] ?? 0;
    order[position] = i;
    ends[bucket] = position + 1;
  }
  let start = 0;
  for (let bucket = 0; bucket < 65536; bucket++) {
    const end = ends[bucket] ?? 0;
    if (end - start > 1) {
      order
        .subarray(start, end)
        .sort((a, b) => compareOids(oids, a * OID_BYTES, oids, b * OID_BYTES));
      for (let i = start + 1; i < end; i++) {
        const before = (order[i - 1] ?? 0) * OID_BYTES;
        if (compareOids(oids, before, oids, (order[i] ?? 0) * OID_BYTES) === 0) {
          throw new SnapshotError('UPSTREAM_INVALID', 'the pack holds an object twice');
        }
      }
    }
    start = end;
  }
  return order;
}

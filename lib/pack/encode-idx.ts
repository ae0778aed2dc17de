import { compareOids, OID_BYTES } from '../git/object.js';
import { byteAt, offsetAt, wordAt } from './elements.js';
import {
  FANOUT_AT,
  FIRST_LARGE_OFFSET,
  IDX_SIGNATURE,
  IDX_VERSION,
  OIDS_AT,
  withChecksum,
} from './format.js';
import type { ScannedObjects } from './object-table.js';

/*
 * Index files: gitformat-pack(5), "Version 2 pack-*.idx files". The bytes are as `git index-pack`
 * writes them: an object that the pack holds twice is listed twice, in the order of the pack.
 * Memory: 4 bytes an object.
 */

const PIECE_BYTES = 64 * 1024;
/** Beyond this, sorting by insertion takes too long. */
const FEW = 32;

/**
 * @param firstLargeOffset for tests: one more than in `git index-pack --index-version=2,<offset>`.
 * @returns the `.idx` file in pieces; each is valid until the next is read.
 */
export function encodeIdx(
  objects: ScannedObjects,
  packChecksum: Uint8Array,
  firstLargeOffset = FIRST_LARGE_OFFSET,
): Generator<Uint8Array> {
  return withChecksum(encodeContent(objects, packChecksum, firstLargeOffset));
}

function* encodeContent(
  { columns, count }: ScannedObjects,
  packChecksum: Uint8Array,
  firstLargeOffset: number,
): Generator<Uint8Array> {
  const { oids, crcs, offsets } = columns;
  const order = sortByOid(oids, count);
  yield encodeHead(oids, order);
  yield* encodeTable(order, OID_BYTES, (piece, at, object) => {
    for (let i = 0; i < OID_BYTES; i++) piece[at + i] = byteAt(oids, object * OID_BYTES + i);
  });
  yield* encodeTable(order, 4, (piece, at, object) => {
    piece.writeUInt32BE(wordAt(crcs, object), at);
  });
  const large: number[] = [];
  yield* encodeTable(order, 4, (piece, at, object) => {
    const offset = offsetAt(offsets, object);
    const isLarge = offset >= firstLargeOffset;
    piece.writeUInt32BE(isLarge ? FIRST_LARGE_OFFSET + large.length : offset, at);
    if (isLarge) large.push(object);
  });
  yield* encodeTable(large, 8, (piece, at, object) => {
    piece.writeBigUInt64BE(BigInt(offsetAt(offsets, object)), at);
  });
  yield packChecksum;
}

function encodeHead(oids: Uint8Array, order: Uint32Array): Buffer {
  const head = Buffer.alloc(OIDS_AT);
  head.writeUInt32BE(IDX_SIGNATURE, 0);
  head.writeUInt32BE(IDX_VERSION, 4);
  let position = 0;
  for (let first = 0; first < 256; first++) {
    while (position < order.length && byteAt(oids, wordAt(order, position) * OID_BYTES) <= first) {
      position++;
    }
    head.writeUInt32BE(position, FANOUT_AT + first * 4);
  }
  return head;
}

/** Entries of `size` bytes, one for each of `objects`. */
function* encodeTable(
  objects: Iterable<number>,
  size: number,
  encode: (piece: Buffer, at: number, object: number) => void,
): Generator<Buffer> {
  const piece = Buffer.allocUnsafeSlow(PIECE_BYTES - (PIECE_BYTES % size));
  let at = 0;
  for (const object of objects) {
    encode(piece, at, object);
    at += size;
    if (at < piece.length) continue;
    yield piece;
    at = 0;
  }
  yield piece.subarray(0, at);
}

/** Sorts indexes by id, then by index. The first two bytes choose a bucket of a handful of ids. */
function sortByOid(oids: Uint8Array, count: number): Uint32Array {
  const bucketOf = (i: number) =>
    (byteAt(oids, i * OID_BYTES) << 8) | byteAt(oids, i * OID_BYTES + 1);
  const ends = new Uint32Array(65536);
  for (let i = 0; i < count; i++) {
    const bucket = bucketOf(i);
    ends[bucket] = wordAt(ends, bucket) + 1;
  }
  let sum = 0;
  for (let bucket = 0; bucket < 65536; bucket++) {
    const size = wordAt(ends, bucket);
    ends[bucket] = sum;
    sum += size;
  }
  const order = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    const bucket = bucketOf(i);
    const position = wordAt(ends, bucket);
    order[position] = i;
    ends[bucket] = position + 1;
  }
  let start = 0;
  for (let bucket = 0; bucket < 65536; bucket++) {
    const end = wordAt(ends, bucket);
    if (end - start > 1) sortRange(oids, order, start, end);
    start = end;
  }
  return order;
}

function sortRange(oids: Uint8Array, order: Uint32Array, start: number, end: number): void {
  const compare = (a: number, b: number) => compareOids(oids, a * OID_BYTES, oids, b * OID_BYTES);
  if (end - start > FEW) {
    order.subarray(start, end).sort(compare);
    return;
  }
  for (let i = start + 1; i < end; i++) {
    const object = wordAt(order, i);
    let to = i;
    for (; to > start && compare(wordAt(order, to - 1), object) > 0; to--)
      order[to] = wordAt(order, to - 1);
    order[to] = object;
  }
}

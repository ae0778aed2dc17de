import { indexAt } from './elements.js';

/*
 * Makes deltas: gitformat-pack(5), "Deltified representation". Finds blocks of the base by a hash
 * of their bytes, and extends each match. Of blocks with the same hash it knows only the first.
 * Cost: one pass over both. Memory: a quarter to half of the base.
 */

const BLOCK_BYTES = 16;
const MAX_COPY_BYTES = 0x10000;
const MAX_INSERT_BYTES = 0x7f;
/** An instruction without the bytes that it inserts. */
const MAX_INSTRUCTION_BYTES = 8;

/** `undefined` if the delta takes more than `maxBytes`. @param base fewer than 2^31 bytes. */
export function encodeDelta(base: Buffer, target: Buffer, maxBytes: number): Buffer | undefined {
  const sizes = [...encodeSize(base.length), ...encodeSize(target.length)];
  const delta = Buffer.allocUnsafe(sizes.length + maxBytes + MAX_INSTRUCTION_BYTES);
  delta.set(sizes);
  const blocks = indexBlocks(base);
  let to = sizes.length;
  let inserted = 0;

  /** Inserts `target[inserted, end)`; `false` if there is no room. */
  const insert = (end: number): boolean => {
    while (inserted < end) {
      const size = Math.min(MAX_INSERT_BYTES, end - inserted);
      if (to + 1 + size > maxBytes) return false;
      delta[to++] = size;
      target.copy(delta, to, inserted, inserted + size);
      to += size;
      inserted += size;
    }
    return true;
  };

  for (let at = 0; at + BLOCK_BYTES <= target.length; ) {
    if (at - inserted > maxBytes) return undefined;
    let from = indexAt(blocks, hashBlock(target, at) & (blocks.length - 1)) - 1;
    if (from < 0 || !startsEqual(base, from, target, at)) {
      at++;
      continue;
    }
    let end = at + BLOCK_BYTES;
    for (let i = from + BLOCK_BYTES; i < base.length && end < target.length; i++, end++) {
      if (base[i] !== target[end]) break;
    }
    while (at > inserted && from > 0 && base[from - 1] === target[at - 1]) {
      at--;
      from--;
    }
    if (!insert(at)) return undefined;
    while (at < end) {
      const size = Math.min(MAX_COPY_BYTES, end - at);
      if (to > maxBytes) return undefined;
      to = encodeCopy(delta, to, from, size);
      at += size;
      from += size;
    }
    inserted = end;
  }
  return insert(target.length) && to <= maxBytes ? delta.subarray(0, to) : undefined;
}

/** Where the blocks of the base begin, plus one, by their hash. */
function indexBlocks(base: Buffer): Int32Array {
  let slots = 64;
  while (slots < base.length / BLOCK_BYTES) slots *= 2;
  const blocks = new Int32Array(slots);
  for (let at = 0; at + BLOCK_BYTES <= base.length; at += BLOCK_BYTES) {
    const slot = hashBlock(base, at) & (slots - 1);
    if (blocks[slot] === 0) blocks[slot] = at + 1;
  }
  return blocks;
}

function hashBlock(bytes: Buffer, at: number): number {
  let hash = 0;
  // Not by `byteAt`, which meets other types of arrays as well: that would take 6 % longer here.
  for (let i = at; i < at + BLOCK_BYTES; i++) hash = Math.imul(hash, 0x01000193) ^ (bytes[i] ?? 0);
  return hash ^ (hash >>> 15);
}

function startsEqual(base: Buffer, from: number, target: Buffer, at: number): boolean {
  for (let i = 0; i < BLOCK_BYTES; i++) if (base[from + i] !== target[at + i]) return false;
  return true;
}

/** A bit for each byte of offset and size that is not 0, then these bytes. */
function encodeCopy(delta: Buffer, start: number, offset: number, size: number): number {
  let to = start + 1;
  let instruction = 0x80;
  for (let i = 0; i < 4; i++) {
    const byte = (offset >>> (8 * i)) & 0xff;
    if (byte === 0) continue;
    instruction |= 1 << i;
    delta[to++] = byte;
  }
  // A size of 0x10000 is written as none.
  for (let i = 0; i < 2; i++) {
    const byte = (size >>> (8 * i)) & 0xff;
    if (byte === 0) continue;
    instruction |= 0x10 << i;
    delta[to++] = byte;
  }
  delta[start] = instruction;
  return to;
}

function encodeSize(size: number): number[] {
  const bytes: number[] = [];
  let rest = size;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return [...bytes, rest];
}

import { byteAt } from './elements.js';
import { invalid } from './errors.js';

/* Deltas: gitformat-pack(5), "Deltified representation". */

/** git refuses shorter deltas. */
const MIN_DELTA_BYTES = 4;
/** Below this, a loop beats a call into native code. */
const SHORT = 24;

/** The sizes at the start of a delta, and where its instructions are: `[instructionsAt, end)`. */
export class DeltaHeader {
  baseSize = 0;
  resultSize = 0;
  instructionsAt = 0;
  end = 0;
}

/** Parses the start of the delta `bytes[start, end)`. @throws SnapshotError `UPSTREAM_INVALID` */
export function parseDeltaHeader(
  bytes: Uint8Array,
  header: DeltaHeader,
  start = 0,
  end = bytes.length,
): void {
  if (end - start < MIN_DELTA_BYTES) throw malformedDelta();
  header.end = end;
  header.instructionsAt = start;
  header.baseSize = takeSize(bytes, header);
  header.resultSize = takeSize(bytes, header);
}

function takeSize(bytes: Uint8Array, header: DeltaHeader): number {
  let size = 0;
  let scale = 1;
  let byte: number;
  do {
    if (header.instructionsAt >= header.end || scale > 2 ** 45) throw malformedDelta();
    byte = byteAt(bytes, header.instructionsAt++);
    size += (byte & 0x7f) * scale;
    scale *= 128;
  } while (byte & 0x80);
  return size;
}

/**
 * Writes the result of a delta into `out[outStart, outStart + resultSize)`, for objects of any
 * size. While a pack is indexed, the faster `wasm/delta.ts` applies nearly all deltas.
 *
 * @param base holds the delta base at `baseStart`; not `out`.
 * @throws SnapshotError `UPSTREAM_INVALID` for a delta that leaves its base or result.
 */
export function applyDelta(
  delta: Buffer,
  header: DeltaHeader,
  base: Buffer,
  baseStart: number,
  out: Buffer,
  outStart: number,
): void {
  const deltaEnd = header.end;
  const outEnd = outStart + header.resultSize;
  let at = header.instructionsAt;
  let to = outStart;
  while (at < deltaEnd) {
    const op = byteAt(delta, at++);
    if (op & 0x80) {
      let from = 0;
      let length = 0;
      // Bytes beyond the end read as 0; the check below refuses such a delta.
      if (op & 0x01) from = byteAt(delta, at++);
      if (op & 0x02) from |= byteAt(delta, at++) << 8;
      if (op & 0x04) from |= byteAt(delta, at++) << 16;
      if (op & 0x08) from += byteAt(delta, at++) * 0x1000000;
      if (op & 0x10) length = byteAt(delta, at++);
      if (op & 0x20) length |= byteAt(delta, at++) << 8;
      if (op & 0x40) length |= byteAt(delta, at++) << 16;
      if (length === 0) length = 0x10000;
      if (at > deltaEnd || from + length > header.baseSize || to + length > outEnd)
        throw malformedDelta();
      from += baseStart;
      if (length < SHORT) {
        for (const end = from + length; from < end; ) out[to++] = byteAt(base, from++);
      } else {
        base.copy(out, to, from, from + length);
        to += length;
      }
    } else {
      if (op === 0 || at + op > deltaEnd || to + op > outEnd) throw malformedDelta();
      if (op < SHORT) {
        for (const end = at + op; at < end; ) out[to++] = byteAt(delta, at++);
      } else {
        delta.copy(out, to, at, at + op);
        to += op;
        at += op;
      }
    }
  }
  if (to !== outEnd) throw malformedDelta();
}

export function malformedDelta(): Error {
  return invalid('a delta is malformed');
}

import { SnapshotError } from '../errors.js';

/*
 * Deltas: gitformat-pack(5), "Deltified representation". A delta holds the size of its base, the
 * size of its result, and instructions that copy from the base or insert bytes of their own.
 */

/** git takes no shorter ones. */
const MIN_DELTA_BYTES = 4;
/** Below this, a loop beats a call into native code. */
const SHORT = 24;

/** The two sizes at the start of a delta. */
export interface DeltaHeader {
  baseSize: number;
  resultSize: number;
  /** Where the instructions begin. */
  instructionsAt: number;
}

/** @throws SnapshotError `UPSTREAM_INVALID` */
export function parseDeltaHeader(delta: Uint8Array, header: DeltaHeader): void {
  if (delta.length < MIN_DELTA_BYTES) throw invalid();
  let at = 0;
  const readSize = (): number => {
    let size = 0;
    let scale = 1;
    let byte: number;
    do {
      if (at >= delta.length || scale > 2 ** 45) throw invalid();
      byte = delta[at++] ?? 0;
      size += (byte & 0x7f) * scale;
      scale *= 128;
    } while (byte & 0x80);
    return size;
  };
  header.baseSize = readSize();
  header.resultSize = readSize();
  header.instructionsAt = at;
}

/**
 * Writes the result of a delta into `out[outStart, outStart + resultSize)`.
 *
 * @param base holds the delta base at `[baseStart, baseStart + header.baseSize)`.
 * @throws SnapshotError `UPSTREAM_INVALID` when an instruction leaves the base or the result, or the
 * result is not filled exactly.
 */
export function applyDelta(
  delta: Buffer,
  header: DeltaHeader,
  base: Buffer,
  baseStart: number,
  out: Buffer,
  outStart: number,
): void {
  const deltaEnd = delta.length;
  const outEnd = outStart + header.resultSize;
  let at = header.instructionsAt;
  let to = outStart;
  while (at < deltaEnd) {
    const op = delta[at++] ?? 0;
    if (op & 0x80) {
      let from = 0;
      let length = 0;
      // Bytes that lie beyond the delta read as 0; the check below catches that.
      if (op & 0x01) from = delta[at++] ?? 0;
      if (op & 0x02) from |= (delta[at++] ?? 0) << 8;
      if (op & 0x04) from |= (delta[at++] ?? 0) << 16;
      if (op & 0x08) from += (delta[at++] ?? 0) * 0x1000000;
      if (op & 0x10) length = delta[at++] ?? 0;
      if (op & 0x20) length |= (delta[at++] ?? 0) << 8;
      if (op & 0x40) length |= (delta[at++] ?? 0) << 16;
      if (length === 0) length = 0x10000;
      if (at > deltaEnd || from + length > header.baseSize || to + length > outEnd) throw invalid();
      from += baseStart;
      if (length < SHORT) {
        for (const end = from + length; from < end; ) out[to++] = base[from++] ?? 0;
      } else {
        base.copy(out, to, from, from + length);
        to += length;
      }
    } else {
      if (op === 0 || at + op > deltaEnd || to + op > outEnd) throw invalid();
      if (op < SHORT) {
        for (const end = at + op; at < end; ) out[to++] = delta[at++] ?? 0;
      } else {
        delta.copy(out, to, at, at + op);
        to += op;
        at += op;
      }
    }
  }
  if (to !== outEnd) throw invalid();
}

function invalid(): SnapshotError {
  return new SnapshotError('UPSTREAM_INVALID', 'a delta is malformed');
}

/** Longer runs are copied by a call. */
const LONG: usize = 256;

/**
 * Writes the result of the instructions `[start, end)` to `[out, outEnd)`, as `applyDelta` of
 * `../delta.ts`. Up to 15 bytes after the result are overwritten. @returns whether the delta is
 * valid.
 */
export function applyDelta(
  start: usize,
  end: usize,
  base: usize,
  baseSize: usize,
  out: usize,
  outEnd: usize,
): bool {
  let at = start;
  let to = out;
  while (at < end) {
    const op: usize = load<u8>(at++);
    if (op & 0x80) {
      let from: usize = 0;
      let length: usize = 0;
      // Bytes that lie beyond the delta may be read; the check below catches that.
      if (op & 0x01) from = load<u8>(at++);
      if (op & 0x02) from |= (<usize>load<u8>(at++)) << 8;
      if (op & 0x04) from |= (<usize>load<u8>(at++)) << 16;
      if (op & 0x08) from |= (<usize>load<u8>(at++)) << 24;
      if (op & 0x10) length = load<u8>(at++);
      if (op & 0x20) length |= (<usize>load<u8>(at++)) << 8;
      if (op & 0x40) length |= (<usize>load<u8>(at++)) << 16;
      if (length === 0) length = 0x10000;
      if (at > end || from > baseSize || length > baseSize - from || length > outEnd - to)
        return false;
      if (length > LONG) memory.copy(to, base + from, length);
      else copyShort(to, base + from, length);
      to += length;
    } else {
      if (op === 0 || op > end - at || op > outEnd - to) return false;
      copyShort(to, at, op);
      to += op;
      at += op;
    }
  }
  return to === outEnd;
}

/** At least one byte; by 16 at a time. */
function copyShort(to: usize, from: usize, length: usize): void {
  for (let i: usize = 0; i < length; i += 16) v128.store(to + i, v128.load(from + i));
}

/** gitformat-pack, "Deltified representation". Nothing is checked: deltas may be wrong on purpose. */
export type Instruction =
  | { copy: [offset: number, size: number] }
  | { insert: string | Uint8Array }
  | { raw: Uint8Array };

/** @param baseSize as the delta declares it, and so `resultSize`. */
export function makeDelta(
  baseSize: number,
  resultSize: number,
  instructions: readonly Instruction[],
): Buffer {
  return Buffer.concat([
    deltaSize(baseSize),
    deltaSize(resultSize),
    ...instructions.map((instruction) => {
      if ('raw' in instruction) return instruction.raw;
      return 'copy' in instruction ? copy(...instruction.copy) : insert(instruction.insert);
    }),
  ]);
}

/** Little-endian groups of seven bits; larger than 2^53 only by hand. */
export function deltaSize(size: number): Buffer {
  const bytes = [];
  let rest = size;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return Buffer.from([...bytes, rest]);
}

/** An offset below 2^32 and a size below 2^24; 0x10000 is written as no size at all. */
function copy(offset: number, size: number): Buffer {
  const bytes: number[] = [];
  let command = 0x80;
  for (let i = 0; i < 4; i++) {
    const byte = (offset >>> (8 * i)) & 0xff;
    if (byte === 0) continue;
    command |= 1 << i;
    bytes.push(byte);
  }
  for (let i = 0; i < 3 && size !== 0x10000; i++) {
    const byte = (size >>> (8 * i)) & 0xff;
    if (byte === 0) continue;
    command |= 0x10 << i;
    bytes.push(byte);
  }
  return Buffer.from([command, ...bytes]);
}

function insert(content: string | Uint8Array): Buffer {
  const bytes = Buffer.from(content);
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += 0x7f) {
    const piece = bytes.subarray(at, at + 0x7f);
    pieces.push(Buffer.of(piece.length), piece);
  }
  return Buffer.concat(pieces);
}

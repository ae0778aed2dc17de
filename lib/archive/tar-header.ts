import { SnapshotError } from '../errors.js';

/*
 * The 512-byte header of a tar entry: POSIX ustar, and where it differs, what GNU tar writes. Names
 * are bytes in git, and strings in latin1 here, one character a byte. node-tar's decoder is not used:
 * it takes names for UTF-8, which changes others, and drops pax values with a line feed silently.
 */

export const TAR_BLOCK_BYTES = 512;

export interface TarHeader {
  /** With the prefix, as it stands. */
  readonly name: string;
  /** Permission bits and those above them. */
  readonly mode: number;
  /** Bytes of the body. */
  readonly size: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
  /** One character: `0` file, `5` directory, `2` symlink … */
  readonly type: string;
  readonly linkName: string;
}

const CHECKSUM_AT = 148;
const CHECKSUM_FIELD_BYTES = 8;
const SPACE = 0x20;

/**
 * @returns `undefined` for a block of zeros; two of them end an archive.
 * @throws SnapshotError `ARCHIVE_INVALID`
 */
export function parseTarHeader(block: Buffer): TarHeader | undefined {
  const sum = checksum(block);
  if (sum === CHECKSUM_FIELD_BYTES * SPACE && isZero(block)) return undefined;
  if (number(block, CHECKSUM_AT, CHECKSUM_FIELD_BYTES) !== sum) {
    throw new SnapshotError('ARCHIVE_INVALID', 'a tar header has a wrong checksum');
  }
  const type = block.readUInt8(156);
  return {
    name: fullName(block),
    mode: number(block, 100, 8),
    size: size(block),
    mtime: number(block, 136, 12),
    // Before POSIX, files had a NUL here.
    type: type === 0 ? '0' : String.fromCharCode(type),
    linkName: text(block, 157, 100),
  };
}

export function isZero(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0);
}

/** The sum of all bytes, with the checksum's own counted as spaces. */
function checksum(block: Buffer): number {
  let sum = CHECKSUM_FIELD_BYTES * SPACE;
  for (let i = 0; i < CHECKSUM_AT; i++) sum += block[i] ?? 0;
  for (let i = CHECKSUM_AT + CHECKSUM_FIELD_BYTES; i < TAR_BLOCK_BYTES; i++) sum += block[i] ?? 0;
  return sum;
}

/** GNU tar keeps other things where ustar has the prefix; its magic ends in a space. */
function fullName(block: Buffer): string {
  const name = text(block, 0, 100);
  const prefix = block.toString('latin1', 257, 263) === 'ustar\0' ? text(block, 345, 155) : '';
  return prefix === '' ? name : `${prefix}/${name}`;
}

function size(block: Buffer): number {
  const value = number(block, 124, 12);
  if (value < 0) throw new SnapshotError('ARCHIVE_INVALID', 'a tar header has a negative size');
  return value;
}

/** Ends at the first NUL or with the field. */
function text(block: Buffer, at: number, length: number): string {
  const end = block.indexOf(0, at);
  return block.toString('latin1', at, end === -1 ? at + length : Math.min(end, at + length));
}

/** Octal digits between spaces and NULs, or with the first bit set a big-endian number (GNU). */
function number(block: Buffer, at: number, length: number): number {
  const first = block.readUInt8(at);
  if (first === 0x80 || first === 0xff) {
    let value = first === 0xff ? -1 : 0;
    for (const byte of block.subarray(at + 1, at + length)) value = value * 256 + byte;
    if (Number.isSafeInteger(value)) return value;
  } else {
    const digits = /^ *([0-7]*)[ \0]*$/.exec(block.toString('latin1', at, at + length))?.[1];
    if (digits !== undefined) return digits === '' ? 0 : Number.parseInt(digits, 8);
  }
  throw new SnapshotError('ARCHIVE_INVALID', 'a tar header has a number that cannot be read');
}

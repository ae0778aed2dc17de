import { SnapshotError } from '../errors.js';
import { FIELDS, headerChecksum, USTAR_MAGIC } from './tar-format.js';

/*
 * Reading the header of a tar entry: POSIX ustar, and GNU tar's where it differs. node-tar's
 * decoder is not used: it reads names as UTF-8, which changes other bytes, and silently drops pax
 * values with a line feed.
 */

export interface TarHeader {
  /** With the prefix, unchecked. */
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

/**
 * @returns `undefined` for a block of zeros; two of them end an archive.
 * @throws SnapshotError `ARCHIVE_INVALID`
 */
export function parseTarHeader(block: Buffer): TarHeader | undefined {
  if (isZero(block)) return undefined;
  if (number(block, 'checksum') !== headerChecksum(block)) {
    throw new SnapshotError('ARCHIVE_INVALID', 'a tar header has a wrong checksum');
  }
  const size = number(block, 'size');
  if (size < 0) throw new SnapshotError('ARCHIVE_INVALID', 'a tar header has a negative size');
  const name = text(block, 'name');
  // GNU tar keeps other data in the place of ustar's prefix.
  const prefix = text(block, 'magic') === USTAR_MAGIC ? text(block, 'prefix') : '';
  const [typeAt] = FIELDS.type;
  const type = block.readUInt8(typeAt);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    mode: number(block, 'mode'),
    size,
    mtime: number(block, 'mtime'),
    // Before POSIX, files had a NUL here.
    type: type === 0 ? '0' : String.fromCharCode(type),
    linkName: text(block, 'linkName'),
  };
}

export function isZero(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0);
}

/** Ends at the first NUL or with the field. */
function text(block: Buffer, field: keyof typeof FIELDS): string {
  const [at, length] = FIELDS[field];
  const end = block.indexOf(0, at);
  return block.toString('latin1', at, end === -1 ? at + length : Math.min(end, at + length));
}

/** Octal digits between spaces and NULs; or, if the first bit is set, a big-endian number (GNU). */
function number(block: Buffer, field: keyof typeof FIELDS): number {
  const [at, length] = FIELDS[field];
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

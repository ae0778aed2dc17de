import { SnapshotError } from '../errors.js';
import { MAX_PATH_BYTES } from '../git/path-safety.js';
import type { ByteReader } from './byte-reader.js';
import { entryPath } from './entry-path.js';
import { type PaxFields, parsePax } from './pax.js';
import {
  FIELDS,
  headerChecksum,
  padding,
  TAR_BLOCK_BYTES,
  type TarEntryKind,
  TYPE_FLAGS,
  USTAR_MAGIC,
} from './tar-format.js';

/*
 * Reading tar: POSIX ustar, and GNU tar's where it differs. node-tar's decoder is not used: it
 * reads names as UTF-8, which changes other bytes, and silently drops pax values with a line feed.
 */

export interface TarEntry {
  readonly kind: TarEntryKind;
  /** Checked, relative to the target, which is `''` itself. Bytes as latin1. */
  readonly path: string;
  /** Permission bits, without setuid, setgid and sticky. */
  readonly mode: number;
  /** Whole seconds. A date, because Node's `utimes` reads negative numbers as the current time. */
  readonly mtime: Date;
  /** Bytes of the content, which is next in the reader. */
  readonly size: number;
  /** Of a symlink: 1 to `MAX_PATH_BYTES` bytes without NUL, as latin1. Else `''`. */
  readonly target: string;
}

interface TarHeader {
  /** With the prefix, unchecked. */
  readonly name: string;
  readonly mode: number;
  /** Bytes of the body. */
  readonly size: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
  /** One character: `0` file, `5` directory, `2` symlink … */
  readonly type: string;
  readonly linkName: string;
}

const KINDS = new Map<string, TarEntryKind>([
  [TYPE_FLAGS.file, 'file'],
  [TYPE_FLAGS.directory, 'directory'],
  [TYPE_FLAGS.symlink, 'symlink'],
]);

/** The most bytes of a pax header or a long name, which are read into memory. */
const MAX_EXTENSION_BYTES = 64 * 1024;
/** The most in a row. There are three kinds, and each comes once. */
const MAX_EXTENSIONS = 8;
/** The most zeros after the end: tar fills its last record, 10 KiB by default. */
const MAX_FILLING_BYTES = 16 * 1024 * 1024;

/**
 * With each entry, the reader is at its content. Bytes that the caller does not take are skipped.
 *
 * @throws SnapshotError `ARCHIVE_INVALID` when the archive is malformed, lacks the two blocks of
 * zeros at its end, or goes on after them, and for entries that no git tree has: hard links,
 * devices and sparse files.
 */
export async function* readTar(reader: ByteReader): AsyncGenerator<TarEntry, void> {
  let extended: PaxFields = {};
  let extensions = 0;
  for (;;) {
    const header = parseTarHeader(await reader.take(TAR_BLOCK_BYTES));
    if (header === undefined) break;
    const extension = await readExtension(header, reader);
    if (extension) {
      if (++extensions > MAX_EXTENSIONS) {
        throw invalid('an entry of the archive has too many headers');
      }
      extended = { ...extended, ...extension };
      continue;
    }
    const entry = toEntry({ ...header, ...extended });
    extended = {};
    extensions = 0;
    const end = reader.position + entry.size + padding(entry.size);
    yield entry;
    await reader.skip(end - reader.position);
  }
  if (parseTarHeader(await reader.take(TAR_BLOCK_BYTES)) !== undefined) {
    throw invalid('the archive has a single block of zeros');
  }
  const end = reader.position;
  while (!(await reader.ended())) {
    const isFilling = isZero(await reader.takeAvailable());
    if (!isFilling || reader.position - end > MAX_FILLING_BYTES) {
      throw invalid('the archive goes on after its end');
    }
  }
}

/** Reads an entry that only describes the next one. */
async function readExtension(
  { type, size }: TarHeader,
  reader: ByteReader,
): Promise<PaxFields | undefined> {
  if (type !== 'x' && type !== 'L' && type !== 'K') return undefined;
  if (size > MAX_EXTENSION_BYTES) throw invalid(`the archive has a header of ${size} bytes`);
  const body = (await reader.take(size + padding(size))).subarray(0, size);
  if (type === 'x') return parsePax(body);
  const name = body.toString('latin1').replace(/\0$/, '');
  return type === 'L' ? { name } : { linkName: name };
}

/** `undefined` for a block of zeros. @throws SnapshotError `ARCHIVE_INVALID` */
function parseTarHeader(block: Buffer): TarHeader | undefined {
  if (isZero(block)) return undefined;
  if (number(block, 'checksum') !== headerChecksum(block)) {
    throw invalid('a tar header has a wrong checksum');
  }
  const size = number(block, 'size');
  if (size < 0) throw invalid('a tar header has a negative size');
  const name = text(block, 'name');
  // GNU tar has other data in place of the prefix.
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

function isZero(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0);
}

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
  throw invalid('a tar header has a number that cannot be read');
}

function toEntry({ type, name, linkName, mode, size, ...header }: TarHeader): TarEntry {
  const kind = KINDS.get(type);
  if (kind === undefined) throw invalid(`the archive has an entry of type ${JSON.stringify(type)}`);
  if (kind !== 'file' && size > 0) throw invalid(`the archive has a ${kind} with content`);
  const target = kind === 'symlink' ? linkName : '';
  const isTarget = target !== '' && target.length <= MAX_PATH_BYTES && !target.includes('\0');
  if (kind === 'symlink' && !isTarget) {
    throw invalid('the archive has a symlink without a valid target');
  }
  const mtime = new Date(header.mtime * 1000);
  if (Number.isNaN(mtime.getTime())) throw invalid('the archive has an impossible time');
  const path = entryPath(name, kind === 'directory');
  return { kind, path, mode: mode & 0o777, mtime, size, target };
}

function invalid(message: string): SnapshotError {
  return new SnapshotError('ARCHIVE_INVALID', message);
}

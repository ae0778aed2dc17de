import { isUtf8 } from 'node:buffer';
import { Header } from 'tar/header';
import { Pax } from 'tar/pax';
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
 * Writing headers of tar entries: POSIX ustar, with pax extended headers where ustar has no room.
 * pax demands UTF-8, so other names take GNU tar's long name entries. Owner and group are always 0.
 */

/** Two zero blocks: without them GNU tar reports an unexpected end. */
export const END_OF_ARCHIVE = Buffer.alloc(2 * TAR_BLOCK_BYTES);

export interface TarEntry {
  /** Bytes as latin1: one character a byte. Directories end with a slash. */
  readonly path: string;
  readonly kind: TarEntryKind;
  readonly mode: number;
  /** Bytes of the content that follows. */
  readonly size: number;
  /** Whole seconds since the epoch. */
  readonly mtime: number;
  /** Of a symlink. Bytes as latin1. */
  readonly target?: string | undefined;
}

/**
 * Longer paths do not fit a ustar header, even with its prefix. node-tar takes quadratic time to
 * see that: hours for a repository with deep directories.
 */
const MAX_USTAR_PATH_BYTES = 256;

const TYPES = { file: 'File', directory: 'Directory', symlink: 'SymbolicLink' } as const;

/** Everything that comes before an entry's content. */
export function encodeTarHeader(entry: TarEntry): Buffer {
  return isPlain(entry) ? encodePlainHeader(entry) : encodeAnyHeader(entry);
}

function encodeAnyHeader(entry: TarEntry): Buffer {
  const path = decodeUtf8(entry.path);
  const target = entry.target === undefined ? undefined : decodeUtf8(entry.target);
  const blocks: Buffer[] = [];
  if (path === undefined) blocks.push(longName('NextFileHasLongPath', entry.path));
  if (entry.target !== undefined && target === undefined) {
    blocks.push(longName('NextFileHasLongLinkpath', entry.target));
  }
  const tooLong = path !== undefined && entry.path.length > MAX_USTAR_PATH_BYTES;
  const block = Buffer.alloc(TAR_BLOCK_BYTES);
  const needsPax = new Header({
    path: path === undefined || tooLong ? placeholder(entry.path) : path,
    mode: entry.mode,
    uid: 0,
    gid: 0,
    size: entry.size,
    mtime: new Date(entry.mtime * 1000),
    type: TYPES[entry.kind],
    ...(entry.target !== undefined && { linkpath: target ?? placeholder(entry.target) }),
  }).encode(block);
  if (needsPax || tooLong) {
    // No field of a long name entry is repeated here: readers would prefer the pax header's.
    const extended = {
      size: entry.size,
      ...(path !== undefined && { path }),
      ...(target !== undefined && { linkpath: target }),
    };
    blocks.push(new Pax(extended).encode());
  }
  return Buffer.concat([...blocks, block]);
}

/** Whether one ustar header is enough, as for most files: node-tar takes three times as long. */
function isPlain({ path, target = '', size }: TarEntry): boolean {
  return size < 8 ** 11 && PLAIN_NAME.test(path) && PLAIN_NAME.test(target);
}

/** Printable ASCII that fits into the field, which needs no NUL at its end. */
const PLAIN_NAME = /^[ -~]{0,100}$/;

/** The fields that are the same in all headers. */
const USTAR = Buffer.alloc(TAR_BLOCK_BYTES);
writeField(USTAR, 'uid', '0000000\0');
writeField(USTAR, 'gid', '0000000\0');
writeField(USTAR, 'magic', USTAR_MAGIC);
writeField(USTAR, 'version', '00');
const USTAR_SUM = headerChecksum(USTAR);

function encodePlainHeader({ path, kind, mode, size, mtime, target = '' }: TarEntry): Buffer {
  const block = Buffer.from(USTAR);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`;
  const sum =
    USTAR_SUM +
    writeField(block, 'name', path) +
    writeField(block, 'mode', octal(mode, 7)) +
    writeField(block, 'size', octal(size, 11)) +
    writeField(block, 'mtime', octal(mtime, 11)) +
    writeField(block, 'type', TYPE_FLAGS[kind]) +
    writeField(block, 'linkName', target);
  writeField(block, 'checksum', `${octal(sum, 6)} `);
  return block;
}

/** @param text in ASCII. @returns the sum of its bytes. */
function writeField(block: Buffer, field: keyof typeof FIELDS, text: string): number {
  const [at] = FIELDS[field];
  let sum = 0;
  for (let i = 0; i < text.length; i++) {
    const byte = text.charCodeAt(i);
    block[at + i] = byte;
    sum += byte;
  }
  return sum;
}

function decodeUtf8(latin1: string): string | undefined {
  const bytes = Buffer.from(latin1, 'latin1');
  return isUtf8(bytes) ? bytes.toString() : undefined;
}

function longName(type: 'NextFileHasLongPath' | 'NextFileHasLongLinkpath', latin1: string): Buffer {
  const content = Buffer.from(`${latin1}\0`, 'latin1');
  const block = Buffer.alloc(TAR_BLOCK_BYTES);
  new Header({
    path: '././@LongLink',
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: content.length,
    mtime: new Date(0),
    type,
  }).encode(block);
  return Buffer.concat([block, content, Buffer.alloc(padding(content.length))]);
}

/** The name that readers without GNU extensions show instead of a long name. */
function placeholder(latin1: string): string {
  const slash = latin1.endsWith('/') ? '/' : '';
  const start = latin1.slice(0, 99 - slash.length).replace(/[^\x21-\x7e]/g, '_');
  return start.replace(/\/+$/, '') + slash;
}

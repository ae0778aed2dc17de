import { createHash } from 'node:crypto';
import { OID_BYTES } from '../git/object.js';

/*
 * Reading the index of a checkout in which git has worked, and writing it again: gitformat-index(5),
 * versions 2 to 4. Paths are bytes as latin1.
 */

/** What the index knows of a file's `lstat`; 0 where it does not know. */
export interface IndexedStat {
  readonly ctimeSeconds: number;
  readonly ctimeNanoseconds: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
  readonly device: number;
  readonly inode: number;
  readonly uid: number;
  readonly gid: number;
  /** The low 32 bits. */
  readonly size: number;
}

export interface IndexedFile {
  readonly path: string;
  /** As `FileMode`. */
  readonly mode: number;
  /** 40 hex digits. */
  readonly oid: string;
  readonly stat: IndexedStat;
  /** `git update-index --assume-unchanged`. */
  readonly assumeValid: boolean;
  /** `git add --intent-to-add`: the file's content is not in the index. */
  readonly intentToAdd: boolean;
}

export interface Index {
  /** By path. */
  readonly files: ReadonlyMap<string, IndexedFile>;
  /** Paths with conflicts of a merge. */
  readonly unmerged: ReadonlySet<string>;
}

/** An index that is damaged, or has what this library does not support. */
export class UnreadableIndexError extends Error {}

const HEADER_BYTES = 12;
const EXTENSION_HEADER_BYTES = 8;
/** Of an entry, without flags of version 3. */
const FIXED_BYTES = 62;
const FLAG = { assumeValid: 0x8000, extended: 0x4000, stage: 0x3000, nameLength: 0x0fff } as const;
const EXTENDED_FLAG = { skipWorktree: 0x4000, intentToAdd: 0x2000 } as const;
const STAT_FIELDS = [
  'ctimeSeconds',
  'ctimeNanoseconds',
  'mtimeSeconds',
  'mtimeNanoseconds',
  'device',
  'inode',
  undefined, // the mode
  'uid',
  'gid',
  'size',
] as const;
const MODE_AT = 24;
const OID_AT = 40;
const FLAGS_AT = 60;

/**
 * Drops the extensions that git makes again by itself: cached trees, resolved conflicts, the cache of
 * untracked files, and others whose name begins with a capital.
 *
 * @throws UnreadableIndexError
 */
export function parseIndex(bytes: Buffer): Index {
  const end = bytes.length - OID_BYTES;
  if (end < HEADER_BYTES || bytes.toString('latin1', 0, 4) !== 'DIRC') throw damaged();
  const trailer = bytes.subarray(end);
  // With index.skipHash, git writes zeros.
  const isHashed = trailer.some((byte) => byte !== 0);
  const digest = createHash('sha1').update(bytes.subarray(0, end)).digest();
  if (isHashed && !digest.equals(trailer)) throw damaged();
  const version = bytes.readUInt32BE(4);
  if (version < 2 || version > 4) throw new UnreadableIndexError(`its version is ${version}`);
  const files = new Map<string, IndexedFile>();
  const unmerged = new Set<string>();
  let at = HEADER_BYTES;
  let path = '';
  for (let left = bytes.readUInt32BE(8); left > 0; left--) {
    const start = at;
    if (start + FIXED_BYTES > end) throw damaged();
    const flags = bytes.readUInt16BE(start + FLAGS_AT);
    at += FIXED_BYTES;
    let extended = 0;
    if ((flags & FLAG.extended) !== 0) {
      extended = bytes.readUInt16BE(at);
      at += 2;
    }
    if (version === 4) {
      const removed = variableNumber(bytes, at);
      at = removed.end;
      if (removed.value > path.length) throw damaged();
      path = path.slice(0, path.length - removed.value);
    } else path = '';
    const nul = bytes.indexOf(0, at);
    if (nul < 0 || nul >= end) throw damaged();
    path += bytes.toString('latin1', at, nul);
    at = version === 4 ? nul + 1 : start + ((nul - start + 8) & ~7);
    if ((extended & EXTENDED_FLAG.skipWorktree) !== 0) {
      throw new UnreadableIndexError('a sparse checkout is not supported');
    }
    if ((flags & FLAG.stage) !== 0) unmerged.add(path);
    else {
      const assumeValid = (flags & FLAG.assumeValid) !== 0;
      const intentToAdd = (extended & EXTENDED_FLAG.intentToAdd) !== 0;
      files.set(path, { path, ...parseEntry(bytes, start), assumeValid, intentToAdd });
    }
  }
  refuseExtensions(bytes.subarray(0, end), at);
  return { files, unmerged };
}

function parseEntry(bytes: Buffer, start: number): Pick<IndexedFile, 'mode' | 'oid' | 'stat'> {
  const numberAt = (field: number) => bytes.readUInt32BE(start + 4 * field);
  const stat: IndexedStat = {
    ctimeSeconds: numberAt(0),
    ctimeNanoseconds: numberAt(1),
    mtimeSeconds: numberAt(2),
    mtimeNanoseconds: numberAt(3),
    device: numberAt(4),
    inode: numberAt(5),
    uid: numberAt(7),
    gid: numberAt(8),
    size: numberAt(9),
  };
  const mode = bytes.readUInt32BE(start + MODE_AT);
  return { mode, oid: bytes.toString('hex', start + OID_AT, start + FLAGS_AT), stat };
}

/** As the offsets of deltas in packs: each further byte also adds one. */
function variableNumber(bytes: Buffer, start: number): { value: number; end: number } {
  let at = start;
  let byte = bytes.readUInt8(at++);
  let value = byte & 0x7f;
  while ((byte & 0x80) !== 0) {
    byte = bytes.readUInt8(at++);
    value = (value + 1) * 128 + (byte & 0x7f);
  }
  return { value, end: at };
}

/** A reader must understand the extensions whose name begins with another character than a capital. */
function refuseExtensions(bytes: Buffer, start: number): void {
  for (let at = start; at < bytes.length; ) {
    if (at + EXTENSION_HEADER_BYTES > bytes.length) throw damaged();
    const name = bytes.toString('latin1', at, at + 4);
    if (name === 'link') throw new UnreadableIndexError('a split index is not supported');
    if (name === 'sdir') throw new UnreadableIndexError('a sparse index is not supported');
    if (!/^[A-Z]/.test(name)) {
      throw new UnreadableIndexError(`it has the extension ${JSON.stringify(name)}`);
    }
    at += EXTENSION_HEADER_BYTES + bytes.readUInt32BE(at + 4);
  }
}

/** An index without conflicts and extensions, in version 2, or 3 if a file needs it. */
export function serializeIndex(files: Iterable<IndexedFile>): Buffer {
  const sorted = [...files].sort((a, b) => (a.path < b.path ? -1 : 1));
  const header = Buffer.alloc(HEADER_BYTES);
  header.write('DIRC', 0, 'latin1');
  header.writeUInt32BE(sorted.some(({ intentToAdd }) => intentToAdd) ? 3 : 2, 4);
  header.writeUInt32BE(sorted.length, 8);
  const content = Buffer.concat([header, ...sorted.map(serializeEntry)]);
  return Buffer.concat([content, createHash('sha1').update(content).digest()]);
}

function serializeEntry(file: IndexedFile): Buffer {
  const { path, mode, oid, stat, assumeValid, intentToAdd } = file;
  const nameAt = FIXED_BYTES + (intentToAdd ? 2 : 0);
  const entry = Buffer.alloc((nameAt + path.length + 8) & ~7); // 1 to 8 NULs
  STAT_FIELDS.forEach((name, field) => {
    entry.writeUInt32BE(name === undefined ? mode : stat[name], 4 * field);
  });
  entry.write(oid, OID_AT, 'hex');
  const flags =
    (assumeValid ? FLAG.assumeValid : 0) |
    (intentToAdd ? FLAG.extended : 0) |
    Math.min(path.length, FLAG.nameLength);
  entry.writeUInt16BE(flags, FLAGS_AT);
  if (intentToAdd) entry.writeUInt16BE(EXTENDED_FLAG.intentToAdd, FIXED_BYTES);
  entry.write(path, nameAt, 'latin1');
  return entry;
}

function damaged(): UnreadableIndexError {
  return new UnreadableIndexError('it is damaged');
}

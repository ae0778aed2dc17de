import { SnapshotError } from '../errors.js';
import { OID_BYTES } from './object.js';

/*
 * Trees: "mode SP name NUL id" for each entry, sorted by name; names of directories are compared as
 * if they ended with a slash. No document describes the format. As git's tree-walk.c does, this
 * reads zero-padded modes, and takes unknown types for gitlinks.
 */

export type TreeEntryKind = 'directory' | 'file' | 'symlink' | 'gitlink';

export interface TreeEntry {
  /** Bytes as latin1. */
  readonly name: string;
  readonly kind: TreeEntryKind;
  readonly executable: boolean;
  /** 40 hex digits. */
  readonly oid: string;
}

/** Where the parts of an entry are in its tree. */
export interface EntryPlace {
  readonly mode: number;
  readonly nameAt: number;
  /** The position of the NUL after the name. */
  readonly nameEnd: number;
  /** The start of the next entry. */
  readonly end: number;
}

export const TYPE_MASK = 0o170000;
export const DIRECTORY = 0o040000;
const KINDS = new Map<number, TreeEntryKind>([
  [DIRECTORY, 'directory'],
  [0o100000, 'file'],
  [0o120000, 'symlink'],
]);

const SPACE = 0x20;
const MAX_MODE_DIGITS = 11;

/** A generator, as objects take ten times the tree's memory. @throws as `placeEntry`. */
export function* parseTree(data: Buffer): Generator<TreeEntry> {
  for (let at = 0; at < data.length; ) {
    const { mode, nameAt, nameEnd, end } = placeEntry(data, at);
    const kind = KINDS.get(mode & TYPE_MASK) ?? 'gitlink';
    yield {
      name: data.toString('latin1', nameAt, nameEnd),
      kind,
      executable: kind === 'file' && (mode & 0o100) !== 0,
      oid: data.toString('hex', nameEnd + 1, end),
    };
    at = end;
  }
}

export function isDirectory({ mode }: EntryPlace): boolean {
  return (mode & TYPE_MASK) === DIRECTORY;
}

/** Finds the parts of the entry that begins at `at`. @throws SnapshotError `UPSTREAM_INVALID` */
export function placeEntry(data: Buffer, at: number): EntryPlace {
  let mode = 0;
  let space = at;
  for (let byte = data[space]; byte !== SPACE; byte = data[++space]) {
    if (byte === undefined || byte < 0x30 || byte > 0x37) throw malformedTree();
    if (space - at === MAX_MODE_DIGITS) throw malformedTree();
    mode = mode * 8 + byte - 0x30;
  }
  const nameAt = space + 1;
  const nameEnd = data.indexOf(0, nameAt);
  const end = nameEnd + 1 + OID_BYTES;
  if (space === at || nameEnd <= nameAt || end > data.length) throw malformedTree();
  return { mode, nameAt, nameEnd, end };
}

export function malformedTree(): SnapshotError {
  return new SnapshotError('UPSTREAM_INVALID', 'a tree is malformed');
}

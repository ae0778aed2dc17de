import { SnapshotError } from '../errors.js';
import { OID_BYTES } from './object.js';

/*
 * Trees: "mode SP name NUL id" for each entry, sorted by name with a slash behind those of
 * directories. No format document has it; git's tree-walk.c is the definition, also of what happens
 * to modes that no git writes: zero-padded ones are read, unknown types count as gitlinks.
 */

/** What an entry of a tree is, by the upper bits of its mode. */
export type TreeEntryKind = 'directory' | 'file' | 'symlink' | 'gitlink';

export interface TreeEntry {
  /** The name's bytes, as latin1: one character a byte. */
  readonly name: string;
  readonly kind: TreeEntryKind;
  readonly executable: boolean;
  /** 40 hex digits. */
  readonly oid: string;
}

const TYPE_MASK = 0o170000;
const KINDS = new Map<number, TreeEntryKind>([
  [0o040000, 'directory'],
  [0o100000, 'file'],
  [0o120000, 'symlink'],
]);

/**
 * @param maxEntries an entry takes ten times the memory of its bytes.
 * @throws SnapshotError `UPSTREAM_INVALID`; `LIMIT_EXCEEDED` for more entries than that.
 */
export function parseTree(data: Buffer, maxEntries = Number.POSITIVE_INFINITY): TreeEntry[] {
  const entries: TreeEntry[] = [];
  for (let at = 0; at < data.length; ) {
    if (entries.length === maxEntries) {
      throw new SnapshotError('LIMIT_EXCEEDED', 'the trees have more entries than are allowed');
    }
    const space = data.indexOf(0x20, at);
    const nul = data.indexOf(0, space);
    const next = nul + 1 + OID_BYTES;
    if (space < 0 || nul <= space + 1 || next > data.length) throw malformed();
    const octal = data.toString('latin1', at, space);
    if (!/^[0-7]{1,11}$/.test(octal)) throw malformed();
    const mode = Number.parseInt(octal, 8);
    const kind = KINDS.get(mode & TYPE_MASK) ?? 'gitlink';
    entries.push({
      name: data.toString('latin1', space + 1, nul),
      kind,
      executable: kind === 'file' && (mode & 0o100) !== 0,
      oid: data.toString('hex', nul + 1, next),
    });
    at = next;
  }
  return entries;
}

function malformed(): SnapshotError {
  return new SnapshotError('UPSTREAM_INVALID', 'a tree is malformed');
}

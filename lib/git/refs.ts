import { SnapshotError } from '../errors.js';
import { OID_PATTERN } from './object.js';

/*
 * Names of refs are bytes. They are taken as latin1 ("binary") strings, one character a byte, and written back
 * as such: so no two names become one, whatever encoding they are in.
 */

/** The bytes of a name that people and JSON write as text. */
export function refNameOf(text: string): string {
  return Buffer.from(text).toString('latin1');
}

/** Where HEAD points: at a branch, which may have no commits yet, or at a commit (detached). */
export type Head =
  | { readonly kind: 'branch'; readonly ref: string; readonly oid: string | undefined }
  | { readonly kind: 'detached'; readonly oid: string };

export interface Ref {
  /** Full name: `refs/heads/main`. Bytes as latin1, one character a byte: git's names have no encoding. */
  readonly name: string;
  readonly oid: string;
  /** For an annotated tag: the object that it finally names. */
  readonly peeled?: string | undefined;
}

/**
 * Whether git would take this as the full name of a ref: git-check-ref-format(1).
 */
export function isValidRefName(name: string): boolean {
  if (!name.startsWith('refs/') || name.length > 4096) return false;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the rule is about control characters
  if (/[\x00-\x20\x7f~^:?*[\\]|\.\.|@\{|\/\/|\.$|\/$/.test(name)) return false;
  return name.split('/').every((part) => !part.startsWith('.') && !part.endsWith('.lock'));
}

const HEADER = '# pack-refs with: peeled fully-peeled sorted \n';

/** The content of a `packed-refs` file (git-pack-refs(1)); refs sorted by name, in bytes. */
export function encodePackedRefs(refs: readonly Ref[]): Buffer {
  const sorted = [...refs].sort((a, b) => (a.name < b.name ? -1 : 1));
  const lines = sorted.map(({ name, oid, peeled }) => {
    return peeled === undefined ? `${oid} ${name}\n` : `${oid} ${name}\n^${peeled}\n`;
  });
  return Buffer.from(HEADER + lines.join(''), 'latin1');
}

/** @throws SnapshotError `REPOSITORY_DAMAGED` for a line that git would not have written. */
export function parsePackedRefs(content: Buffer): Ref[] {
  const refs: { name: string; oid: string; peeled?: string }[] = [];
  for (const line of content.toString('latin1').split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const last = refs.at(-1);
    if (line.startsWith('^') && last !== undefined && OID_PATTERN.test(line.slice(1))) {
      last.peeled = line.slice(1);
      continue;
    }
    const oid = line.slice(0, 40);
    const name = line.slice(41);
    if (!OID_PATTERN.test(oid) || line[40] !== ' ' || !isValidRefName(name)) {
      throw new SnapshotError('REPOSITORY_DAMAGED', 'packed-refs is damaged');
    }
    refs.push({ name, oid });
  }
  return refs;
}

/** The content of a `HEAD` file. */
export function encodeHead(head: Head): Buffer {
  return Buffer.from(head.kind === 'branch' ? `ref: ${head.ref}\n` : `${head.oid}\n`, 'latin1');
}

/*
 * Names of refs are bytes in any encoding. They are kept as latin1 strings, one character a byte,
 * so that no two names become one.
 */

/** A name from text that people and JSON write. */
export function refNameOf(text: string): string {
  return Buffer.from(text).toString('latin1');
}

/** Where HEAD points: at a branch, which may have no commits yet, or at a commit (detached). */
export type Head =
  | { readonly kind: 'branch'; readonly ref: string; readonly oid: string | undefined }
  | { readonly kind: 'detached'; readonly oid: string };

export interface Ref {
  /** Full name: `refs/heads/main`. */
  readonly name: string;
  readonly oid: string;
  /** For an annotated tag: the id of the object at the end of the chain of tags. */
  readonly peeled?: string | undefined;
}

const REFUSED_IN_NAMES =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the rule is about control characters
  /[\x00-\x20\x7f~^:?*[\\]|\.\.|@\{|\/\/|\/\.|\.lock(?:\/|$)|[./]$/;

/** Whether git accepts the full name of a ref: git-check-ref-format(1). */
export function isValidRefName(name: string): boolean {
  return name.startsWith('refs/') && name.length <= 4096 && !REFUSED_IN_NAMES.test(name);
}

/** The content of a `HEAD` file. */
export function encodeHead(head: Head): Buffer {
  return Buffer.from(head.kind === 'branch' ? `ref: ${head.ref}\n` : `${head.oid}\n`, 'latin1');
}

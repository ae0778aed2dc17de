/*
 * Reading the header of a bundle: gitformat-bundle(5), versions 2 and 3.
 */

export interface BundleHeader {
  /** Ids of the commits that the reader must have. */
  readonly prerequisites: readonly string[];
  readonly refs: readonly { readonly name: string; readonly oid: string }[];
}

/**
 * @param text from the signature to the empty line, without it; bytes as latin1.
 * @returns `undefined` if it is malformed, or needs an ability other than SHA-1 objects.
 */
export function parseBundleHeader(text: string): BundleHeader | undefined {
  const [signature, ...lines] = text.split('\n');
  if (signature !== '# v2 git bundle' && signature !== '# v3 git bundle') return undefined;
  const prerequisites: string[] = [];
  const refs: BundleHeader['refs'][number][] = [];
  for (const line of lines) {
    if (signature.startsWith('# v3') && line === '@object-format=sha1') continue;
    const [, minus, oid, , name] = LINE.exec(line) ?? [];
    if (oid === undefined) return undefined;
    if (minus === '-') prerequisites.push(oid);
    else if (name !== undefined && name !== '') refs.push({ name, oid });
    else return undefined;
  }
  return { prerequisites, refs };
}

/** `-{id} {comment}` or `{id} {name}`. */
const LINE = /^(-?)([0-9a-f]{40})( (.*))?$/s;

/** An entity tag (RFC 9110, section 8.8.3). */
export interface EntityTag {
  readonly weak: boolean;
  /** With its quotes. */
  readonly opaque: string;
}

const TAG = /(W\/)?("[\x21\x23-\x7e\x80-\xff]*")/y;

/**
 * The tags of an `If-Match` or `If-None-Match` list, whose members may be empty (section 5.6.1.2).
 * Reading stops at the first member that is no entity tag: nothing that follows can match. Takes time
 * in proportion to the field's length, whatever it holds.
 */
export function parseEntityTags(field: string): EntityTag[] {
  const tags: EntityTag[] = [];
  for (let at = 0; at < field.length; at++) {
    at = skipBlanks(field, at);
    TAG.lastIndex = at;
    const [tag = '', weak, opaque] = TAG.exec(field) ?? [];
    at = skipBlanks(field, at + tag.length);
    if (at < field.length && field[at] !== ',') break;
    if (opaque !== undefined) tags.push({ weak: weak !== undefined, opaque });
  }
  return tags;
}

function skipBlanks(field: string, from: number): number {
  let at = from;
  while (field[at] === ' ' || field[at] === '\t') at++;
  return at;
}

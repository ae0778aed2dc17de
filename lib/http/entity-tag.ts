/** An entity tag (RFC 9110, section 8.8.3). */
export interface EntityTag {
  readonly weak: boolean;
  /** With its quotes. */
  readonly opaque: string;
}

/** A list member: a tag, or nothing, since recipients accept empty members (section 5.6.1.2). */
const MEMBER = /[\t ]*(?:(W\/)?("[\x21\x23-\x7e\x80-\xff]*"))?[\t ]*(?:,|$)/;

/**
 * The tags of an `If-Match` or `If-None-Match` list. Reading stops at the first member that is no
 * entity tag: nothing that follows can match.
 */
export function parseEntityTags(field: string): EntityTag[] {
  const member = new RegExp(MEMBER, 'y');
  const tags: EntityTag[] = [];
  while (member.lastIndex < field.length) {
    const match = member.exec(field);
    if (match === null) break;
    const [, weak, opaque] = match;
    if (opaque !== undefined) tags.push({ weak: weak !== undefined, opaque });
  }
  return tags;
}

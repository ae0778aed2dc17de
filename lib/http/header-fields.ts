import type { ByteRange } from '../stores/store.js';

/** An entity tag (RFC 9110, section 8.8.3). */
export interface EntityTag {
  readonly weak: boolean;
  /** With its quotes. */
  readonly opaque: string;
}

const TAG = /(W\/)?("[\x21\x23-\x7e\x80-\xff]*")/y;

/**
 * The tags of an `If-Match` or `If-None-Match` list, whose members may be empty (section 5.6.1.2).
 * Stops at the first member that is no entity tag: no later one can match. Takes linear time.
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

/** One int-range or suffix-range (RFC 9110, section 14.1.2). Case does not matter in unit names. */
const SINGLE_RANGE = /^bytes=[\t ]*(?:(\d+)-(\d*)|-(\d+))[\t ]*$/i;

/**
 * Parses a `Range` field for a representation of `size` bytes. `undefined`: ignore the field. It
 * has another unit, is malformed (as `5-3` is), or has several ranges, which need a multipart body.
 */
export function parseRange(field: string, size: number): ByteRange | 'unsatisfiable' | undefined {
  const match = SINGLE_RANGE.exec(field);
  if (match === null) return undefined;
  const [, first, last, suffix] = match;
  if (suffix !== undefined) {
    const length = Number(suffix);
    if (length === 0) return 'unsatisfiable';
    // A 206 can't describe a part of an empty representation.
    return size === 0 ? undefined : { start: Math.max(0, size - length), end: size - 1 };
  }
  const start = Number(first);
  const end = last === '' ? Number.POSITIVE_INFINITY : Number(last);
  if (start > end) return undefined;
  return start >= size ? 'unsatisfiable' : { start, end: Math.min(end, size - 1) };
}

/** The three forms of an HTTP-date (RFC 9110, section 5.6.7): IMF-fixdate, RFC 850, asctime. */
const HTTP_DATE =
  /^(?:[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT|[A-Z][a-z]{5,8}, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT|[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4})$/;

/** Milliseconds since the epoch; `undefined` if the text is no HTTP-date. */
export function parseHttpDate(text: string): number | undefined {
  if (!HTTP_DATE.test(text)) return undefined;
  // The asctime form names no zone and means GMT; Date.parse would take it for local time.
  const time = Date.parse(text.endsWith('GMT') ? text : `${text} GMT`);
  return Number.isNaN(time) ? undefined : time;
}

/** IMF-fixdate. It has whole seconds: this cuts off the rest. */
export function formatHttpDate(milliseconds: number): string {
  return new Date(milliseconds).toUTCString();
}

/**
 * `Content-Disposition: attachment` (RFC 6266) for any file name. `filename*` is added where a
 * quoted string is unsafe: also for `%`, because some clients decode escapes in the plain form.
 */
export function attachment(filename: string): string {
  const plain = filename.replace(/[^\x20-\x7e]|["\\%]/gu, '_');
  const value = `attachment; filename="${plain}"`;
  if (plain === filename) return value;
  // RFC 8187 forbids these four in an extended value; `encodeURIComponent` leaves them.
  const escaped = (char: string) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`;
  const extended = encodeURIComponent(filename).replace(/['()*]/g, escaped);
  return `${value}; filename*=UTF-8''${extended}`;
}

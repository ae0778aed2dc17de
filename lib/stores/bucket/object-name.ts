import { createHash } from 'node:crypto';

/*
 * The name of an object in the bucket is `{prefix}{key}.object`, at most 1,024 bytes of UTF-8:
 *
 *   - A byte that a server, or a proxy, may misread is written as `!` and two hex digits.
 *   - An empty segment between slashes is written as `!`. The dots of the segments `.` and `..` are
 *     escaped, and so is the end of a segment that ends as names do.
 *   - A key that is long, or no Unicode text, is written as the beginning of this form, `!!` and a
 *     hash of the whole key.
 *
 * Different keys have different names. Some servers store objects in a file system: because of the
 * ending, the file of the key `a` is not the folder of the key `a/b`. The ending also distinguishes
 * objects of a store from others below the prefix.
 */
const ENDING = '.object';
/** Bytes of a readable name. The rest is for the prefix. */
const MAX_READABLE = 512;
const MAX_BEGINNING = 400;

const UNSAFE = /[^A-Za-z0-9._=&:@,-]/gu;

/** The name of a key's object, without the prefix. At most 519 bytes, all of them ASCII. */
export function objectName(key: string): string {
  const readable = key.split('/').map(escapeSegment).join('/');
  if (readable.length <= MAX_READABLE && isUnicode(key)) return `${readable}${ENDING}`;
  const beginning = readable.slice(0, MAX_BEGINNING);
  const hash = createHash('sha256').update(key, 'utf16le').digest('hex'); // UTF-8 merges lone surrogates
  return `${beginning}!!${hash}${ENDING}`;
}

/** The beginning of the names of all keys that begin with `start`, and perhaps of others. */
export function nameStart(start: string): string {
  // The rest of a segment decides how its beginning is written only up to here.
  const whole = start.slice(0, start.lastIndexOf('/') + 1);
  const segments = whole.split('/').slice(0, -1).map(escapeSegment);
  const part = /^\w+/.exec(start.slice(whole.length))?.[0] ?? '';
  return [...segments, part].join('/').slice(0, MAX_BEGINNING);
}

/** The key of a name; `undefined` if the name does not hold it. */
export function keyOf(name: string): string | undefined {
  const readable = name.slice(0, -ENDING.length);
  const key = readable.split('/').map(unescapeSegment).join('/');
  return objectName(key) === name ? key : undefined;
}

export function isObjectName(name: string): boolean {
  return name.endsWith(ENDING);
}

function escapeSegment(segment: string): string {
  if (segment === '') return '!';
  if (segment === '.' || segment === '..') return '!2e'.repeat(segment.length);
  const escaped = segment.replace(UNSAFE, (character) =>
    Buffer.from(character).toString('hex').replace(/../g, '!$&'),
  );
  return escaped.endsWith(ENDING) ? `${escaped.slice(0, -1)}!74` : escaped;
}

function unescapeSegment(segment: string): string {
  if (segment === '!') return '';
  return segment.replace(/(?:![0-9a-f]{2})+/g, (bytes) =>
    Buffer.from(bytes.replaceAll('!', ''), 'hex').toString(),
  );
}

function isUnicode(text: string): boolean {
  return Buffer.from(text).toString() === text;
}

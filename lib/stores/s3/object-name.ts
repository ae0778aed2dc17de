import { createHash } from 'node:crypto';

/*
 * The name of an object in the bucket is `{prefix}{key}.object`, at most 1,024 bytes of UTF-8:
 *
 *   - A byte that S3, or a proxy, may misread is written as `!` and two hex digits.
 *   - An empty segment between slashes is written as `!`. The dots of the segments `.` and `..` are
 *     escaped, and so is the end of a segment that ends as names do.
 *   - A key that is long, or no Unicode text, is written as its beginning, `!!` and a hash of the
 *     whole key.
 *
 * Different keys have different names. Some servers store objects in a file system: because of the
 * ending, the file of the key `a` is not the folder of the key `a/b`. The ending also distinguishes
 * objects of a store from others below the prefix.
 */
const ENDING = '.object';
/** Bytes of a readable name. The rest is for the prefix. */
const MAX_READABLE = 512;
const MAX_BEGINNING = 64;

const UNSAFE = /[^A-Za-z0-9._=&:@,-]/gu;

/** The name of a key's object, without the prefix. At most 519 bytes, all of them ASCII. */
export function objectName(key: string): string {
  const readable = key.length <= MAX_READABLE ? key.split('/').map(escapeSegment).join('/') : key;
  if (readable.length <= MAX_READABLE && isUnicode(key)) return `${readable}${ENDING}`;
  const beginning = key.slice(0, MAX_BEGINNING).replace(/[^A-Za-z0-9._-]/g, '_');
  const hash = createHash('sha256').update(key, 'utf16le').digest('hex'); // UTF-8 merges lone surrogates
  return `${beginning}!!${hash}${ENDING}`;
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

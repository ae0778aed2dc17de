import { SnapshotError } from '../../errors.js';
import type { StoredObject } from '../store.js';
import type { Bucket, ObjectHead } from './bucket.js';

type InBucket = Pick<Bucket, 'prefix'>;

/*
 * Some servers check the conditions of a write in one request, but not of a write in parts. There, a
 * large object is two objects:
 *
 *   `!large/{name}/{revision}`   the bytes and the description: nobody else writes this name
 *   `{name}`                     a pointer: the description, and the size of the bytes. Written in
 *                                one request, on the write's condition
 *
 * The pointer publishes and replaces the object in one step.
 */
const FOLDER = '!large/';
/** Metadata of a pointer: bytes and revision of the object that it points to. */
const SIZE = 'large-size';
const REVISION = 'large-revision';

/** The name of the object that holds the bytes of a revision. */
export function largeName({ prefix }: InBucket, name: string, revision: string) {
  return `${prefix}${FOLDER}${name.slice(prefix.length)}/${revision}`;
}

/** The beginning of all such names. */
export function largeFolder({ prefix }: InBucket): string {
  return prefix + FOLDER;
}

/** The name of the pointer. The inverse of `largeName`. */
export function pointerName({ prefix }: InBucket, large: string): string {
  return prefix + large.slice(prefix.length + FOLDER.length, large.lastIndexOf('/'));
}

/** Adds to the metadata of an object what makes it a pointer. */
export function pointerMetadata(
  metadata: Readonly<Record<string, string>>,
  { size, revision }: Pick<StoredObject, 'size' | 'revision'>,
): Record<string, string> {
  return { ...metadata, [SIZE]: String(size), [REVISION]: revision };
}

/** The size of the object that a pointer points to; `undefined` if the object is no pointer. */
export function pointedSize(metadata: Readonly<Record<string, string>>): number | undefined {
  const text = metadata[SIZE];
  if (text === undefined) return undefined;
  const size = Number(text);
  if (Number.isSafeInteger(size) && size >= 0) return size;
  throw new SnapshotError('STORE_FAILED', `a pointer has the size ${text}`);
}

/** The name of the object that a pointer points to; `undefined` if the object is no pointer. */
export function pointedName(
  bucket: InBucket,
  name: string,
  { metadata }: Pick<ObjectHead, 'metadata'>,
): string | undefined {
  const revision = metadata[REVISION];
  return revision === undefined ? undefined : largeName(bucket, name, revision);
}

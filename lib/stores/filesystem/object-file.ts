import { createHash } from 'node:crypto';
import { chmod, open, stat } from 'node:fs/promises';
import { isUnsupported, unlessMissing } from '../../fs/errors.js';
import type { Priority, StoredObject } from '../store.js';
import {
  checkTrailer,
  isDescription,
  isRecord,
  MAX_TRAILER_BYTES,
  parseJson,
} from '../stored-json.js';

/*
 * One stored object is two files:
 *
 *   {stem}.object             its description: the `StoredObject` as JSON, UTF-8
 *   {stem}.{revision}.bytes   its bytes, and nothing else, so that a web server can send the file
 *
 * The stem of the key `v1/github.com/org/repo/snapshot` is `v1/github.com/org/repo/snapshot.{hash}`:
 * the segments of a key are folders, so that a list of a repository reads no other files.
 *
 * The file of the bytes is complete, and has its name, before the description is renamed: that
 * rename alone publishes the object. A file of bytes never changes, and its name is never used
 * again. So whoever opens it gets the bytes of that revision, or no file.
 *
 * The mtime of the description tells when the object was last used.
 *
 * The mode of the description repeats the priority, so that a search for room need not open every
 * file: the owner may execute the file of an object of low priority. The same rename publishes the
 * mode. If both disagree, as on a file system without modes, the description is right.
 */

/** The owner may execute. */
const LOW_MODE = 0o100;

const STEM = '[A-Za-z0-9_-][A-Za-z0-9._-]{0,119}\\.[0-9a-f]{64}';
const REVISION = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
const OBJECT_FILE_NAME = new RegExp(`^(?:.*/)?${STEM}\\.object$`);
const BYTES_FILE_NAME = new RegExp(`^((?:.*/)?${STEM})\\.(${REVISION})\\.bytes$`);
const IS_REVISION = new RegExp(`^${REVISION}$`);
const ENDING = '.object';

/** Folders between the directory and a file. A key with more segments is in the last of them. */
const MAX_FOLDERS = 8;
const MAX_FOLDER_BYTES = 64;

/** The path of a file within the directory, with slashes. */
export type FileName = string;

/**
 * Folders, a readable part, and a hash that tells keys apart even if case is ignored: 192 bytes at
 * most after the last slash.
 */
export function objectFileName(key: string): FileName {
  const hash = createHash('sha256').update(key, 'utf16le').digest('hex'); // UTF-8 merges lone surrogates
  const segments = key.split('/');
  return `${folderOf(segments.slice(0, -1))}${readable(segments.at(-1) ?? '', 120)}.${hash}${ENDING}`;
}

/** Where the files of all keys with a prefix are. */
export interface Place {
  /** The folder that has all of them, with a slash at its end; empty: the directory itself. */
  readonly folder: string;
  /** The beginning of the names of their files, and of the folders that have such files. */
  readonly start: string;
}

export function placeOf(prefix: string): Place {
  const segments = prefix.split('/').slice(0, -1);
  const rest = prefix.split('/').at(-1) ?? '';
  // In the last folder, names begin as the last segments of keys do.
  const start =
    segments.length < MAX_FOLDERS && rest !== '' ? readable(rest, MAX_FOLDER_BYTES) : '';
  return { folder: folderOf(segments), start };
}

function folderOf(segments: readonly string[]): string {
  const folders = segments.slice(0, MAX_FOLDERS);
  return folders.map((segment) => `${readable(segment, MAX_FOLDER_BYTES)}/`).join('');
}

function readable(segment: string, maxBytes: number): string {
  const text = segment.replace(/[^A-Za-z0-9._-]+/g, '_').replace(/^\./, '_');
  return text.slice(0, maxBytes) || '_';
}

export function isObjectFileName(name: string): boolean {
  return OBJECT_FILE_NAME.test(name);
}

/** The beginning that all file names of an object have. @param name of its description. */
export function stemOf(name: string): string {
  return name.slice(0, -ENDING.length);
}

/** The file name of the bytes of a revision. @param name of the object's description. */
export function bytesFileName(name: string, revision: string): string {
  return `${stemOf(name)}.${revision}.bytes`;
}

/** The description and revision that a file of bytes belongs to; `undefined`: it is no such file. */
export function ownerOfBytes(fileName: string): { name: string; revision: string } | undefined {
  const [, stem, revision] = BYTES_FILE_NAME.exec(fileName) ?? [];
  if (stem === undefined || revision === undefined) return undefined;
  return { name: `${stem}${ENDING}`, revision };
}

/** The priority of an object by the mode of its description. */
export function markedPriority(mode: number): Priority {
  return (mode & LOW_MODE) !== 0 ? 'low' : 'normal';
}

/**
 * Writes the priority of an object into the mode of its description. On a file system without
 * modes, no object has a low priority in a search for room.
 *
 * It takes a path, because Node's permission model refuses to change the mode by a descriptor.
 */
export async function markPriority(path: string, priority: Priority): Promise<void> {
  const { mode } = await stat(path);
  if (markedPriority(mode) === priority) return;
  try {
    await chmod(path, (mode & 0o7777) ^ LOW_MODE);
  } catch (error) {
    if (!isUnsupported(error)) throw error;
  }
}

/** @throws SnapshotError `STORE_FAILED` when key and metadata take more than 1 MiB. */
export function encodeDescription(object: StoredObject): Buffer {
  const json = Buffer.from(JSON.stringify(object));
  checkTrailer(json);
  return json;
}

export interface Description {
  readonly object: StoredObject;
  /** When the object was last used: milliseconds since the epoch. */
  readonly usedAt: number;
}

/**
 * Reads a description; `undefined`: there is none. `invalid`: it is damaged, of another key, or of
 * an earlier version of this store, which kept the bytes in the same file.
 *
 * @param name the file name that the description of its key has.
 */
export async function readDescription(
  path: string,
  name: string,
): Promise<Description | 'invalid' | undefined> {
  const handle = await unlessMissing(open(path, 'r'));
  if (handle === undefined) return undefined;
  try {
    const { size: length, mtimeMs: usedAt } = await handle.stat();
    if (length > MAX_TRAILER_BYTES) return 'invalid';
    const object = parseJson(await handle.readFile('utf8'));
    if (!isRecord(object) || !isDescription(object)) return 'invalid';
    const { key, revision, size } = object;
    // Some file systems ignore case, and so join folders. The hash tells keys apart.
    const isOurs =
      objectFileName(key).toLowerCase() === name.toLowerCase() && IS_REVISION.test(revision);
    return isOurs && typeof size === 'number' ? { object: { ...object, size }, usedAt } : 'invalid';
  } finally {
    await handle.close();
  }
}

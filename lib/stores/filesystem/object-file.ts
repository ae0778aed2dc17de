import { createHash } from 'node:crypto';
import { chmod, type FileHandle, stat } from 'node:fs/promises';
import { isUnsupported } from '../../fs/errors.js';
import type { Priority, StoredObject } from '../store.js';
import {
  checkTrailer,
  isDescription,
  isRecord,
  MAX_TRAILER_BYTES,
  parseJson,
} from '../stored-json.js';

/*
 * One stored object as one file, so that a single rename publishes its bytes and its metadata:
 *
 *   body      `size` bytes
 *   trailer   the `StoredObject` as JSON, UTF-8
 *   u32       bytes of the trailer, big-endian
 *   magic     8 bytes
 *
 * The description follows the body, so that it can be appended to a finished file.
 *
 * The mode of the file repeats the priority, so that a search for room need not open every file:
 * the owner may execute the file of an object of low priority. The same rename publishes the mode. If both
 * disagree, as on a file system without modes, the trailer is right.
 */
const MAGIC = Buffer.from('EGSOBJ02', 'latin1');
const FOOTER_BYTES = 4 + MAGIC.length;
/** Bytes of the first read: enough for the footer and a trailer with few metadata. */
const USUAL_END_BYTES = 2048;

/** The owner may execute. */
const LOW_MODE = 0o100;

const OBJECT_FILE_NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,119}\.[0-9a-f]{64}\.object$/;

/** A readable part, and a hash that tells keys apart even if case is ignored: 192 bytes at most. */
export function objectFileName(key: string): string {
  const hash = createHash('sha256').update(key, 'utf16le').digest('hex'); // UTF-8 merges lone surrogates
  return `${readableStart(key)}.${hash}.object`;
}

/** The beginning of the file name of a key, and of all keys that begin with it. */
export function readableStart(key: string): string {
  const readable = key.replace(/[^A-Za-z0-9._-]+/g, '_').replace(/^\./, '_');
  return readable.slice(0, 120);
}

export function isObjectFileName(name: string): boolean {
  return OBJECT_FILE_NAME.test(name);
}

/** The priority of an object by the mode of its file. */
export function markedPriority(mode: number): Priority {
  return (mode & LOW_MODE) !== 0 ? 'low' : 'normal';
}

/**
 * Writes the priority of an object into the mode of its file. On a file system without modes, no
 * object has a low priority in a search for room.
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

/**
 * Makes the bytes that follow the body in the file.
 *
 * @throws SnapshotError `STORE_FAILED` when key and metadata take more than 1 MiB.
 */
export function encodeTrailer(object: StoredObject): Buffer {
  const json = Buffer.from(JSON.stringify(object));
  checkTrailer(json);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(json.length);
  return Buffer.concat([json, length, MAGIC]);
}

/** Reads the description at the end of a file; `undefined` if it is invalid. */
export async function readTrailer(
  handle: FileHandle,
  fileSize: number,
): Promise<StoredObject | undefined> {
  if (fileSize < FOOTER_BYTES) return undefined;
  const end = await readBefore(handle, fileSize, Math.min(fileSize, USUAL_END_BYTES));
  if (!end?.subarray(-MAGIC.length).equals(MAGIC)) return undefined;
  const footerAt = end.length - FOOTER_BYTES;
  const length = end.readUInt32BE(footerAt);
  if (length > MAX_TRAILER_BYTES) return undefined;
  const bodySize = fileSize - FOOTER_BYTES - length;
  const json =
    length <= footerAt
      ? end.subarray(footerAt - length, footerAt)
      : await readBefore(handle, bodySize + length, length);
  const object = parseJson(json?.toString() ?? '');
  if (!isRecord(object) || !isDescription(object) || object.size !== bodySize) return undefined;
  return { ...object, size: bodySize };
}

/** The last `length` bytes before `end`. */
async function readBefore(
  handle: FileHandle,
  end: number,
  length: number,
): Promise<Buffer | undefined> {
  if (length > end) return undefined;
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, end - length);
  return bytesRead === length ? buffer : undefined;
}

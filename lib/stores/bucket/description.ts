import type { StoredObject } from '../store.js';
import {
  checkTrailer,
  isDescription,
  isRecord,
  MAX_TRAILER_BYTES,
  parseJson,
} from '../stored-json.js';

/*
 * The description of an object is in its user-defined metadata, so that one request publishes,
 * replaces and reads both. S3 allows 2 KB of metadata (GCS and Azure 8 KB), and headers can't hold
 * arbitrary text. So
 * the description is JSON in base64url, in pieces `description-0`, `description-1`, … of 256 bytes:
 * some servers accept no more for one.
 *
 * A larger description follows the object's bytes as a trailer, and the metadata hold the trailer's
 * length. It is still one object, published in one step.
 */
const PIECE = 'description-';
const PIECE_BYTES = 256;
/** The most pieces whose names and values, with `x-amz-meta-`, stay below 2,048 bytes. */
const MAX_PIECES = 7;

/** Without the size: it is the size of the server's object, less that of a trailer. */
export type Description = Omit<StoredObject, 'size'>;

/**
 * Makes the user-defined metadata of an object, and the trailer, which is usually empty.
 *
 * @throws SnapshotError `STORE_FAILED` when key and metadata take more than 1 MiB.
 */
export function encodeDescription(description: Description): {
  readonly metadata: Record<string, string>;
  readonly trailer: Buffer;
} {
  const json = Buffer.from(JSON.stringify(description));
  const pieces = toPieces(json);
  if (Object.keys(pieces).length <= MAX_PIECES) {
    return { metadata: pieces, trailer: Buffer.alloc(0) };
  }
  checkTrailer(json);
  const pointer = Buffer.from(JSON.stringify({ trailer: json.length }));
  return { metadata: toPieces(pointer), trailer: json };
}

/** Reads the description, or the length of its trailer; `undefined` if no store wrote them. */
export function decodeMetadata(
  metadata: Readonly<Record<string, string>>,
): Description | { readonly trailer: number } | undefined {
  let text = '';
  for (let index = 0; ; index++) {
    const piece = metadata[`${PIECE}${index}`];
    if (piece === undefined) break;
    text += piece;
  }
  const value = parseJson(Buffer.from(text, 'base64url').toString());
  if (isDescription(value)) return value;
  if (!isRecord(value)) return undefined;
  const { trailer } = value;
  if (typeof trailer !== 'number' || !Number.isInteger(trailer)) return undefined;
  return trailer > 0 && trailer <= MAX_TRAILER_BYTES ? { trailer } : undefined;
}

export function decodeTrailer(trailer: Buffer): Description | undefined {
  const value = parseJson(trailer.toString());
  return isDescription(value) ? value : undefined;
}

function toPieces(json: Buffer): Record<string, string> {
  const text = json.toString('base64url');
  const pieces: Record<string, string> = {};
  for (let at = 0; at < text.length; at += PIECE_BYTES) {
    pieces[`${PIECE}${at / PIECE_BYTES}`] = text.slice(at, at + PIECE_BYTES);
  }
  return pieces;
}

import { SnapshotError } from '../../errors.js';
import type { Metadata } from '../store.js';
import { isMetadata, isRecord, parseJson } from '../stored-json.js';

/*
 * The description of an object is in its user-defined metadata, so that one request publishes,
 * replaces and reads both. S3 allows 2 KB of metadata, and headers can't hold arbitrary text. So
 * the description is JSON in base64url, in pieces `description-0`, `description-1`, … of 256 bytes,
 * the most that some servers accept for one.
 *
 * A larger description follows the object's bytes as a trailer, and the metadata hold the trailer's
 * length. It is still one object, published in one step.
 */
const PIECE = 'description-';
const PIECE_BYTES = 256;
/** The most pieces whose names and values, with `x-amz-meta-`, stay below 2,048 bytes. */
const MAX_PIECES = 7;
const MAX_TRAILER_BYTES = 1024 * 1024;

export interface Description {
  readonly key: string;
  readonly revision: string;
  /** Milliseconds since the epoch. */
  readonly storedAt: number;
  readonly metadata: Metadata;
  readonly expendable: boolean;
}

export interface EncodedDescription {
  /** User-defined metadata of the S3 object. */
  readonly metadata: Record<string, string>;
  /** The bytes that follow the object's own; usually none. */
  readonly trailer: Buffer;
}

/** @throws SnapshotError `STORE_FAILED` when key and metadata take more than 1 MiB. */
export function encodeDescription(description: Description): EncodedDescription {
  const json = Buffer.from(JSON.stringify(description));
  const pieces = toPieces(json);
  if (Object.keys(pieces).length <= MAX_PIECES) {
    return { metadata: pieces, trailer: Buffer.alloc(0) };
  }
  if (json.length > MAX_TRAILER_BYTES) {
    throw new SnapshotError('STORE_FAILED', `${json.length} bytes of metadata are too many`);
  }
  const pointer = Buffer.from(JSON.stringify({ trailer: json.length }));
  return { metadata: toPieces(pointer), trailer: json };
}

/**
 * Reads the metadata of an S3 object: returns the description, or the length of the trailer that
 * holds it. `undefined` if this store did not write them.
 */
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
  if (!isRecord(value) || !isTrailerLength(value.trailer)) return undefined;
  return { trailer: value.trailer };
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

function isTrailerLength(value: unknown): value is number {
  return (
    typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= MAX_TRAILER_BYTES
  );
}

function isDescription(value: unknown): value is Description {
  if (!isRecord(value)) return false;
  const { key, revision, storedAt, metadata, expendable } = value;
  return (
    typeof key === 'string' &&
    typeof revision === 'string' &&
    typeof storedAt === 'number' &&
    typeof expendable === 'boolean' &&
    isMetadata(metadata)
  );
}

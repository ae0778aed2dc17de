import type { IncomingMessage } from 'node:http';
import type { ByteRange } from '../stores/store.js';
import { parseEntityTags, parseHttpDate, parseRange } from './header-fields.js';

type ConditionalRequest = Pick<IncomingMessage, 'method' | 'headers'>;

export interface Validators {
  /** A strong entity tag, with its quotes. */
  readonly etag: string;
  /** Milliseconds since the epoch; missing while the representation is still being made. */
  readonly storedAt?: number;
}

export interface Representation extends Required<Validators> {
  /** Bytes. */
  readonly size: number;
}

/** The kind of answer to a GET or HEAD. */
export type Selection =
  | { readonly kind: 'whole' }
  | { readonly kind: 'part'; readonly range: ByteRange }
  | { readonly kind: 'not-modified' }
  | { readonly kind: 'failed' }
  | { readonly kind: 'unsatisfiable'; readonly size: number };

const PRECONDITIONS = ['if-match', 'if-unmodified-since', 'if-none-match', 'if-modified-since'];

/** Whether the request has preconditions, which may decide about the status of the answer. */
export function isConditional({ headers }: ConditionalRequest): boolean {
  return PRECONDITIONS.some((name) => headers[name] !== undefined);
}

/** Whether `select` could choose anything but the whole representation. */
export function needsSelection(request: ConditionalRequest): boolean {
  return isConditional(request) || request.headers.range !== undefined;
}

/**
 * The entity tags that a client pins, because it has parts of that version: the strong tags of
 * `If-Match`, else the tag in the `If-Range` of a range request.
 */
export function pinnedTags({ headers }: ConditionalRequest): string[] {
  const ifMatch = headers['if-match'];
  if (ifMatch !== undefined) {
    return parseEntityTags(ifMatch).flatMap(({ weak, opaque }) => (weak ? [] : [opaque]));
  }
  const ifRange = headers['if-range'];
  const isTag = typeof ifRange === 'string' && ifRange.startsWith('"');
  return headers.range !== undefined && isTag ? [ifRange] : [];
}

/**
 * Evaluates preconditions: RFC 9110, section 13.2.2, steps 1 to 4. Ignores a date where an entity
 * tag decides, the date is malformed, or the representation has no modification date.
 */
export function evaluatePreconditions(
  { headers }: ConditionalRequest,
  { etag, storedAt }: Validators,
): 'holds' | 'not-modified' | 'failed' {
  const ifMatch = headers['if-match'];
  if (ifMatch !== undefined) {
    if (!matches(ifMatch, etag, 'strong')) return 'failed';
  } else if (wasModifiedSince(storedAt, headers['if-unmodified-since']) === true) {
    return 'failed';
  }

  const ifNoneMatch = headers['if-none-match'];
  if (ifNoneMatch !== undefined) {
    return matches(ifNoneMatch, etag, 'weak') ? 'not-modified' : 'holds';
  }
  const modified = wasModifiedSince(storedAt, headers['if-modified-since']);
  return modified === false ? 'not-modified' : 'holds';
}

/** All steps of RFC 9110, section 13.2.2: also `If-Range` and `Range`, which only GET has. */
export function select(request: ConditionalRequest, current: Representation): Selection {
  const precondition = evaluatePreconditions(request, current);
  if (precondition !== 'holds') return { kind: precondition };

  const { range: field, 'if-range': ifRange } = request.headers;
  const isRanged = request.method === 'GET' && ifRangeHolds(ifRange, current);
  const range = isRanged && field !== undefined ? parseRange(field, current.size) : undefined;
  if (range === undefined) return { kind: 'whole' };
  return range === 'unsatisfiable' ? { kind: range, size: current.size } : { kind: 'part', range };
}

/** Section 8.8.3.2. `etag` is strong, so only the other side's weakness matters. */
function matches(field: string, etag: string, comparison: 'strong' | 'weak'): boolean {
  if (field.trim() === '*') return true;
  return parseEntityTags(field).some(
    ({ weak, opaque }) => opaque === etag && (comparison === 'weak' || !weak),
  );
}

/** `undefined`: there is nothing to compare. */
function wasModifiedSince(storedAt: number | undefined, field: string | undefined) {
  const date = field === undefined ? undefined : parseHttpDate(field);
  return storedAt === undefined || date === undefined ? undefined : wholeSecond(storedAt) > date;
}

/** Section 13.1.5: one strong tag, or the exact `Last-Modified`. */
function ifRangeHolds(field: unknown, { etag, storedAt }: Representation): boolean {
  if (field === undefined || field === etag) return true;
  return typeof field === 'string' && parseHttpDate(field) === wholeSecond(storedAt);
}

/** HTTP-dates count whole seconds. */
function wholeSecond(milliseconds: number): number {
  return Math.floor(milliseconds / 1000) * 1000;
}

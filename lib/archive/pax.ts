import { SnapshotError } from '../errors.js';

export interface PaxFields {
  /** Bytes as latin1. */
  readonly name?: string;
  readonly linkName?: string;
  readonly size?: number;
  /** Whole seconds since the epoch; fractions are cut off. */
  readonly mtime?: number;
}

/** The dozen usual keywords and a file's extended attributes take fewer. */
const MAX_RECORDS = 256;

/**
 * Parses the records `"%d %s=%s\n"` of a pax extended header (POSIX.1-2017, pax, "pax Extended
 * Header"): the number is the length of the record in bytes. Other keywords are skipped.
 *
 * @throws SnapshotError `ARCHIVE_INVALID`, also for GNU tar's sparse files.
 */
export function parsePax(body: Buffer): PaxFields {
  const fields: { -readonly [K in keyof PaxFields]: PaxFields[K] } = {};
  let records = 0;
  for (let at = 0; at < body.length; ) {
    if (++records > MAX_RECORDS) throw invalid('too many records');
    const length = recordLength(body, at);
    const record = body.toString('latin1', at, at + length);
    const equals = record.indexOf('=');
    if (equals === -1 || !record.endsWith('\n')) throw invalid('a malformed record');
    const keyword = record.slice(record.indexOf(' ') + 1, equals);
    const value = record.slice(equals + 1, -1);
    if (keyword === 'path') fields.name = value;
    else if (keyword === 'linkpath') fields.linkName = value;
    else if (keyword === 'size') fields.size = wholeNumber(value, /^\d+$/);
    else if (keyword === 'mtime') fields.mtime = wholeNumber(value, /^-?\d+(?:\.\d*)?$/);
    else if (keyword.startsWith('GNU.sparse.')) throw invalid('a sparse file');
    at += length;
  }
  return fields;
}

function recordLength(body: Buffer, at: number): number {
  const digits = /^(\d{1,10}) /.exec(body.toString('latin1', at, at + 11))?.[1];
  const length = Number(digits);
  if (digits === undefined || length <= digits.length || at + length > body.length) {
    throw invalid('a record with a wrong length');
  }
  return length;
}

function wholeNumber(value: string, form: RegExp): number {
  const number = form.test(value) ? Math.floor(Number(value)) : Number.NaN;
  if (!Number.isSafeInteger(number)) throw invalid('a number that cannot be read');
  return number;
}

function invalid(what: string): SnapshotError {
  return new SnapshotError('ARCHIVE_INVALID', `a pax header of the archive has ${what}`);
}

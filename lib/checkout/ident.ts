import type { Range } from './replace-ranges.js';

/*
 * The attribute `ident`: `$Id$` and `$Id: anything $` become `$Id: {blob id} $`. A keyword with
 * spaces inside is another version control system's, and stays.
 *
 * git implements it twice (convert.c): `ident_filter_fn` streams; `ident_to_worktree` is used if
 * another attribute needs the whole blob. They differ on odd input, such as `$$Id$`.
 */

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const DOLLAR = 0x24;
const COLON = 0x3a;
const LETTER_I = 0x49;
const LETTER_D = 0x64;
const KEYWORD_START = Buffer.from('$Id: ');

export function* keywordsInMemory(blob: Buffer): Generator<Range> {
  for (let start = blob.indexOf(DOLLAR); start >= 0; ) {
    let next = start + 1;
    if (blob[start + 1] === LETTER_I && blob[start + 2] === LETTER_D) {
      if (blob[start + 3] === DOLLAR) {
        next = start + 4;
        yield { start, end: next };
      } else if (blob[start + 3] === COLON) {
        const close = blob.indexOf(DOLLAR, start + 4);
        if (close < 0) return;
        const body = blob.subarray(start + 4, close);
        const space = body.indexOf(SPACE, 1);
        if (!body.includes(LF) && (space < 0 || space === body.length - 1)) {
          next = close + 1;
          yield { start, end: next };
        }
      }
    }
    start = blob.indexOf(DOLLAR, next);
  }
}

/**
 * After a dollar sign that begins no keyword, git also skips the first byte that does not match,
 * even another dollar sign. git holds back bytes that may begin a keyword, and `$Id` with any other
 * byte after it, until it writes more; a keyword with a colon replaces all bytes held back.
 */
export function* keywordsInStream(blob: Buffer): Generator<Range> {
  let at = 0;
  /** The start of the bytes held back before `at`; without any, `at` itself. */
  let held = 0;
  for (;;) {
    const start = blob.indexOf(DOLLAR, at);
    if (start < 0) return;
    if (start > at) held = start;
    const mismatch = start + matchingBytes(blob, start);
    const byte = blob[mismatch];
    at = mismatch + 1;
    if (mismatch !== start + '$Id'.length) {
      held = at;
    } else if (byte === DOLLAR) {
      yield { start, end: at };
      held = at;
    } else if (byte === COLON) {
      while (at < blob.length && blob[at] !== DOLLAR && blob[at] !== LF) at += 1;
      if (at === blob.length) return;
      at += 1;
      if (blob[at - 1] === DOLLAR && !isForeign(blob.subarray(held, at))) {
        yield { start: held, end: at };
      }
      held = at;
    }
  }
}

/** How many bytes match `$Id` and the NUL at the end of git's C string. */
function matchingBytes(blob: Buffer, start: number): number {
  if (blob[start + 1] !== LETTER_I) return 1;
  if (blob[start + 2] !== LETTER_D) return 2;
  return blob[start + 3] === 0 ? 4 : 3;
}

/** Whether it has white space inside. git stops at a NUL. */
function isForeign(keyword: Buffer): boolean {
  if (!keyword.subarray(0, KEYWORD_START.length).equals(KEYWORD_START)) return false;
  for (let i = KEYWORD_START.length; i < keyword.length && keyword[i] !== 0; i++) {
    const byte = keyword[i];
    const isSpace = byte === SPACE || byte === TAB || byte === CR;
    if (isSpace && keyword[i + 1] !== DOLLAR) return true;
  }
  return false;
}

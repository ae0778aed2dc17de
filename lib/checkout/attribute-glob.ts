import type { AttributeSteps } from './attribute-steps.js';

/**
 * The wildcards of gitattributes(5) and gitignore(5), as git's wildmatch.c matches them with
 * `WM_PATHNAME`, over bytes as latin1.
 *
 * `*` stays within a segment, `**` takes whole segments. On a mismatch the last `*` takes one more
 * byte; if it can't, the last `**` takes one more segment. Earlier ones need no other try: the last
 * can take all that they could. So a match costs at most pattern length × text length steps, where
 * plain backtracking is exponential.
 */

/** Tokens from 0 to 255 are bytes; from 256 on, numbers of sets. */
const ANY_BYTE = -1;
const STAR = -2;
/** `**` and the slash after it: nothing, or any text that ends with a slash. */
const SEGMENTS = -3;
/** The same with an escaped slash, which matches at least one segment in git. */
const SOME_SEGMENTS = -4;
/** `**` at the end. */
const EVERYTHING = -5;
const SET = 256;

const SLASH = 0x2f;

/** git's POSIX classes, as pairs of first and last byte. `space` lacks vertical tab, form feed. */
const CLASSES = new Map([
  ['alnum', '09AZaz'],
  ['alpha', 'AZaz'],
  ['blank', '\t\t  '],
  ['cntrl', '\x00\x1f\x7f\x7f'],
  ['digit', '09'],
  ['graph', '!~'],
  ['lower', 'az'],
  ['print', ' ~'],
  ['punct', '!/:@[`{~'],
  ['space', '\t\n\r\r  '],
  ['upper', 'AZ'],
  ['xdigit', '09AFaf'],
]);

interface ByteSet {
  /** Pairs of first and last byte. */
  readonly ranges: string;
  readonly isNegated: boolean;
}

export class Glob {
  readonly #tokens: readonly number[];
  readonly #sets: readonly ByteSet[];

  private constructor(tokens: readonly number[], sets: readonly ByteSet[]) {
    this.#tokens = tokens;
    this.#sets = sets;
  }

  /** @returns `undefined` for a malformed pattern, which matches nothing. */
  static compile(pattern: string): Glob | undefined {
    const tokens: number[] = [];
    const sets: ByteSet[] = [];
    for (let at = 0; at < pattern.length; ) {
      const character = pattern[at];
      if (character === '*') {
        const { token, next } = compileStars(pattern, at);
        tokens.push(token);
        at = next;
      } else if (character === '[') {
        const read = readSet(pattern, at + 1);
        if (read === undefined) return undefined;
        tokens.push(SET + sets.length);
        sets.push(read.set);
        at = read.end;
      } else if (character === '?') {
        tokens.push(ANY_BYTE);
        at += 1;
      } else {
        if (character === '\\') at += 1;
        if (at === pattern.length) return undefined;
        tokens.push(pattern.charCodeAt(at));
        at += 1;
      }
    }
    return new Glob(tokens, sets);
  }

  /** Whether the text matches from `start` to its end. @throws SnapshotError `LIMIT_EXCEEDED` */
  matches(text: string, start: number, steps: AttributeSteps): boolean {
    const tokens = this.#tokens;
    let at = start;
    let token = 0;
    /** The token after the last `*` of this segment (none: -1), and the end of the star's text. */
    let star = -1;
    let starEnd = 0;
    let segments = -1;
    let segmentsEnd = 0;
    for (;;) {
      steps.take(1);
      const expected = tokens[token];
      if (expected === undefined) {
        if (at === text.length) return true;
      } else if (expected === EVERYTHING) {
        return true;
      } else if (expected === STAR) {
        star = ++token;
        starEnd = at;
        continue;
      } else if (expected === SEGMENTS || expected === SOME_SEGMENTS) {
        segments = ++token;
        segmentsEnd = at;
        star = -1;
        if (expected === SEGMENTS) continue;
      } else if (at < text.length && this.#accepts(expected, text.charCodeAt(at), steps)) {
        token += 1;
        at += 1;
        if (expected === SLASH) star = -1;
        continue;
      }
      if (star >= 0 && starEnd < text.length && text.charCodeAt(starEnd) !== SLASH) {
        token = star;
        at = ++starEnd;
        continue;
      }
      const slash = segments < 0 ? -1 : text.indexOf('/', segmentsEnd);
      if (slash < 0) return false;
      token = segments;
      at = segmentsEnd = slash + 1;
      star = -1;
    }
  }

  #accepts(token: number, byte: number, steps: AttributeSteps): boolean {
    if (token >= 0 && token < SET) return token === byte;
    if (byte === SLASH) return false;
    if (token === ANY_BYTE) return true;
    const set = this.#sets[token - SET];
    if (set === undefined) return false;
    steps.take(set.ranges.length);
    return isInRanges(byte, set.ranges) !== set.isNegated;
  }
}

function isInRanges(byte: number, ranges: string): boolean {
  for (let i = 0; i < ranges.length; i += 2) {
    if (byte >= ranges.charCodeAt(i) && byte <= ranges.charCodeAt(i + 1)) return true;
  }
  return false;
}

function compileStars(pattern: string, at: number): { token: number; next: number } {
  let next = at + 1;
  while (pattern[next] === '*') next += 1;
  const startsSegment = at === 0 || pattern[at - 1] === '/';
  if (next - at >= 2 && startsSegment) {
    if (next === pattern.length) return { token: EVERYTHING, next };
    if (pattern[next] === '/') return { token: SEGMENTS, next: next + 1 };
    if (pattern.startsWith('\\/', next)) return { token: SOME_SEGMENTS, next: next + 2 };
  }
  return { token: STAR, next };
}

/** @param start after the opening bracket. @returns `undefined` when the set is malformed. */
function readSet(pattern: string, start: number): { set: ByteSet; end: number } | undefined {
  const isNegated = pattern[start] === '!' || pattern[start] === '^';
  let at = isNegated ? start + 1 : start;
  let ranges = '';
  /** The member before, unless it was a range or a class: a range may start at it. */
  let from: string | undefined;
  // A closing bracket that comes first is a member.
  do {
    const name = className(pattern, at);
    if (name !== undefined) {
      const members = CLASSES.get(name);
      if (members === undefined) return undefined;
      ranges += members;
      from = undefined;
      at += name.length + '[::]'.length;
      continue;
    }
    const following = pattern[at + 1];
    const isRange = pattern[at] === '-' && following !== undefined && following !== ']';
    const first = isRange ? from : undefined;
    if (first !== undefined) at += 1;
    if (pattern[at] === '\\') at += 1;
    const to = pattern[at];
    if (to === undefined) return undefined;
    ranges += (first ?? to) + to;
    from = first === undefined ? to : undefined;
    at += 1;
  } while (pattern[at] !== ']');
  return { set: { ranges, isNegated }, end: at + 1 };
}

/** The name in `[:name:]`. Without a colon before the next bracket, the opening one is a member. */
function className(pattern: string, at: number): string | undefined {
  if (!pattern.startsWith('[:', at)) return undefined;
  const name = pattern.slice(at + 2, pattern.indexOf(']', at + 2));
  return name.endsWith(':') ? name.slice(0, -1) : undefined;
}

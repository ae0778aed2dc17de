/** What `name`, `-name`, `name=text` and `!name` give an attribute. */
export type AttributeValue = true | false | string | undefined;

export interface Assignment {
  readonly name: string;
  readonly value: AttributeValue;
}

export interface AttributeLine {
  readonly kind: 'pattern' | 'macro';
  /** The pattern without quotes, or the macro's name. */
  readonly subject: string;
  readonly assignments: readonly Assignment[];
}

/** git ignores files and lines that are not smaller. */
const MAX_FILE_BYTES = 100 * 1024 * 1024;
const MAX_LINE_BYTES = 2048;

const MACRO_PREFIX = '[attr]';
const NAME = /^(?!-)[-.\w]+$/;
const BLANKS = /[ \t\r\n]+/;
const QUOTED = /^"((?:[^"\\]|\\[abfnrtv"\\]|\\[0-3][0-7]{2})*)"/;
const ESCAPES = new Map(
  Object.entries({ a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' }),
);

/**
 * Reads a `.gitattributes` blob as `git checkout` does (gitattributes(5), attr.c): up to the first
 * NUL, without invalid lines. A byte order mark is part of the first pattern: git skips it only in
 * a working tree. Text is bytes as latin1.
 */
export function* parseAttributes(blob: Buffer): Generator<AttributeLine> {
  if (blob.length >= MAX_FILE_BYTES) return;
  const nul = blob.indexOf(0);
  const text = blob.toString('latin1', 0, nul < 0 ? blob.length : nul);
  for (let start = 0; start < text.length; ) {
    const lineFeed = text.indexOf('\n', start);
    const end = lineFeed < 0 ? text.length : lineFeed;
    if (end - start < MAX_LINE_BYTES) {
      const line = parseLine(text.slice(start, end));
      if (line !== undefined) yield line;
    }
    start = end + 1;
  }
}

function parseLine(line: string): AttributeLine | undefined {
  const content = line.replace(/^[ \t\r]+/, '');
  if (content === '' || content.startsWith('#')) return undefined;
  const { subject, rest } = splitSubject(content);
  const assignments: Assignment[] = [];
  for (const state of rest.split(BLANKS)) {
    if (state === '') continue;
    const assignment = parseState(state);
    if (!NAME.test(assignment.name)) return undefined;
    assignments.push(assignment);
  }
  if (subject.startsWith(MACRO_PREFIX) && subject !== MACRO_PREFIX) {
    const words = subject.slice(MACRO_PREFIX.length).split(BLANKS);
    const name = words.find((word) => word !== '');
    if (name === undefined || !NAME.test(name)) return undefined;
    return { kind: 'macro', subject: name, assignments };
  }
  return subject.startsWith('!') ? undefined : { kind: 'pattern', subject, assignments };
}

/** A pattern may be a C string in quotes; a malformed one is taken literally. */
function splitSubject(content: string): { subject: string; rest: string } {
  const [quoted, body] = QUOTED.exec(content) ?? [];
  if (quoted !== undefined && body !== undefined) {
    const text = body.replace(/\\([0-7]{3}|.)/gs, (_, code: string) =>
      code.length === 3
        ? String.fromCharCode(Number.parseInt(code, 8))
        : (ESCAPES.get(code) ?? code),
    );
    const [subject = ''] = text.split('\0', 1);
    return { subject, rest: content.slice(quoted.length) };
  }
  const [subject = ''] = content.split(BLANKS, 1);
  return { subject, rest: content.slice(subject.length) };
}

function parseState(state: string): Assignment {
  const equals = state.indexOf('=');
  const name = equals < 0 ? state : state.slice(0, equals);
  if (name.startsWith('-')) return { name: name.slice(1), value: false };
  if (name.startsWith('!')) return { name: name.slice(1), value: undefined };
  return { name, value: equals < 0 ? true : state.slice(equals + 1) };
}

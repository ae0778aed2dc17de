/** The settings of a config file, as a person may have edited it: git-config(1), "Syntax". */
export class ConfigFile {
  /** Values by key; the last one counts. `undefined`: a name without a value, which means true. */
  readonly #values = new Map<string, string | undefined>();

  /**
   * Does not follow includes.
   *
   * @param text bytes as latin1.
   * @throws SyntaxError, with the number of the line.
   */
  constructor(text: string) {
    const start = text.startsWith('\xef\xbb\xbf') ? 3 : 0; // a byte order mark
    let section: string | undefined;
    for (let at = start; at < text.length; ) {
      const blank = match(BLANK, text, at);
      if (blank !== undefined) {
        at += blank[0].length;
        continue;
      }
      const [head, name = '', subsection] = match(SECTION, text, at) ?? [];
      if (head !== undefined) {
        section = name.toLowerCase();
        if (subsection !== undefined) section += `.${subsection.replace(/\\(.)/g, '$1')}`;
        at += head.length;
        continue;
      }
      const [setting, key = '', equals] = match(NAME, text, at) ?? [];
      if (setting === undefined || section === undefined) throw malformed(text, at);
      const { value, end } = readValue(text, at + setting.length);
      this.#values.set(`${section}.${key.toLowerCase()}`, equals === undefined ? undefined : value);
      at = end;
    }
  }

  /** All keys: section and name in lower case, as git ignores their case. */
  get keys(): readonly string[] {
    return [...this.#values.keys()];
  }

  /** A setting's text, bytes as latin1; `undefined` if it is missing, or has no value. */
  text(key: string): string | undefined {
    return this.#values.get(key);
  }

  /** A setting as git reads booleans; any other text is no boolean. */
  boolean(key: string, fallback: boolean): boolean {
    if (!this.#values.has(key)) return fallback;
    const value = this.#values.get(key);
    if (value === undefined || /^(?:true|yes|on|-?0*[1-9]\d*)$/i.test(value)) return true;
    return /^(?:false|no|off|0+|)$/i.test(value) ? false : fallback;
  }
}

const BLANK = /(?:\s+|[#;][^\n]*)/y;
const SECTION = /\[([A-Za-z0-9.-]+)(?:[ \t]+"((?:[^"\\\n\0]|\\[^\n\0])*)")?\]/y;
const NAME = /([A-Za-z][A-Za-z0-9-]*)[ \t]*(=)?/y;
const ESCAPES = new Map([
  ['n', '\n'],
  ['t', '\t'],
  ['b', '\b'],
  ['"', '"'],
  ['\\', '\\'],
]);

/** Until the end of the line. Outside quotes, comments and blanks at the end do not count. */
function readValue(text: string, start: number): { value: string; end: number } {
  let value = '';
  /** The part of the value that ends with something other than a blank. */
  let kept = 0;
  let isQuoted = false;
  let at = start;
  for (; at < text.length; at++) {
    const character = text[at] ?? '';
    if (character === '\n') break;
    if (character === '\\') {
      const continued = match(CONTINUED, text, at);
      if (continued !== undefined) {
        at += continued[0].length - 1;
        continue;
      }
      const escaped = ESCAPES.get(text[++at] ?? '');
      if (escaped === undefined) throw malformed(text, at);
      value += escaped;
      kept = value.length;
    } else if (character === '"') {
      isQuoted = !isQuoted;
      kept = value.length;
    } else if (!isQuoted && (character === '#' || character === ';')) {
      const end = text.indexOf('\n', at);
      at = end < 0 ? text.length : end;
      break;
    } else if (isQuoted || value !== '' || !/\s/.test(character)) {
      value += character;
      if (isQuoted || !/\s/.test(character)) kept = value.length;
    }
  }
  if (isQuoted) throw malformed(text, at);
  return { value: value.slice(0, kept), end: at };
}

const CONTINUED = /\\\r?\n/y;

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text) ?? undefined;
}

function malformed(text: string, at: number): SyntaxError {
  return new SyntaxError(`line ${text.slice(0, at).split('\n').length} is malformed`);
}

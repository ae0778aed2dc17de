import { SnapshotError } from '../errors.js';
import { type Assignment, type AttributeValue, parseAttributes } from './attribute-file.js';
import { compilePattern, type PathTest } from './attribute-pattern.js';

/** The attributes that decide how a blob becomes a file; `undefined` where none is set. */
export interface ConversionAttributes {
  readonly text: AttributeValue;
  /** What `text` was called before git 1.7.2. */
  readonly crlf: AttributeValue;
  readonly eol: AttributeValue;
  readonly ident: AttributeValue;
  readonly workingTreeEncoding: AttributeValue;
}

type Macros = ReadonlyMap<string, readonly Assignment[]>;

interface Rule {
  readonly matches: PathTest;
  readonly assignments: readonly Assignment[];
}

const CONVERSION_NAMES = new Set(['text', 'crlf', 'eol', 'ident', 'working-tree-encoding']);

const NO_ATTRIBUTES: ConversionAttributes = Object.freeze({
  text: undefined,
  crlf: undefined,
  eol: undefined,
  ident: undefined,
  workingTreeEncoding: undefined,
});

/** git's `binary` without `-diff` and `-merge`, which change no file. */
const BUILT_IN_MACROS: Macros = new Map([['binary', [{ name: 'text', value: false }]]]);

/** Of the attribute files that may hold for one file. As rules they take up to sixty times the memory. */
const MAX_BYTES = 4 * 1024 * 1024;

/**
 * The rules of the `.gitattributes` files that hold in one directory: its own and those above. An
 * immutable chain, so that a walk over a tree keeps the rules of each directory while it is in it.
 *
 * Paths are bytes, taken as latin1 strings.
 */
export class AttributeRules {
  /** What holds where there is no `.gitattributes`: nothing but git's built-in macro. */
  static readonly builtIn = new AttributeRules(undefined, [], BUILT_IN_MACROS, 0);

  readonly #parent: AttributeRules | undefined;
  readonly #rules: readonly Rule[];
  readonly #macros: Macros;
  /** The size of the attribute files here and above. */
  readonly #bytes: number;

  private constructor(
    parent: AttributeRules | undefined,
    rules: readonly Rule[],
    macros: Macros,
    bytes: number,
  ) {
    this.#parent = parent;
    this.#rules = rules;
    this.#macros = macros;
    this.#bytes = bytes;
  }

  /**
   * The rules of a directory in this one, or of the top of the tree: call it on `builtIn` for the
   * top first, then on the way down.
   *
   * @param directory empty for the top, else the path from there with a slash at its end.
   * @param blob the object that the directory's entry `.gitattributes` names, `undefined` where there
   * is no such entry. A symbolic link's counts too: during a checkout git reads attributes from the
   * index, and there it does not tell the two apart.
   * @throws SnapshotError `LIMIT_EXCEEDED` for more than 4 MiB of files with rules that matter.
   */
  child(directory: string, blob: Buffer | undefined): AttributeRules {
    if (blob === undefined) return this;
    const bytes = this.#bytes + blob.length;
    // Macros hold for the lines before them too. Only the top may define some.
    const macros = directory === '' ? readMacros(blob, this.#macros) : this.#macros;
    const rules: Rule[] = [];
    for (const { kind, subject, assignments } of parseAttributes(blob)) {
      const matter = assignments.filter(
        ({ name }) => CONVERSION_NAMES.has(name) || macros.has(name),
      );
      if (kind === 'macro' || matter.length === 0) continue;
      const matches = compilePattern(subject, directory);
      if (matches === undefined) continue;
      checkBytes(bytes);
      rules.push({ matches, assignments: matter });
    }
    if (rules.length === 0 && macros === this.#macros) return this;
    return new AttributeRules(this, rules, macros, bytes);
  }

  /**
   * The attributes of a file in this directory. Deeper files override those above, later lines earlier
   * ones, and within a line what stands further right.
   *
   * @param path from the top of the tree.
   */
  lookup(path: string): ConversionAttributes {
    let found: Map<string, AttributeValue> | undefined;
    for (let scope: AttributeRules | undefined = this; scope; scope = scope.#parent) {
      for (let i = scope.#rules.length - 1; i >= 0; i--) {
        const rule = scope.#rules[i];
        if (!rule?.matches(path)) continue;
        found ??= new Map();
        this.#assign(found, rule.assignments);
      }
    }
    if (found === undefined) return NO_ATTRIBUTES;
    return {
      text: found.get('text'),
      crlf: found.get('crlf'),
      eol: found.get('eol'),
      ident: found.get('ident'),
      workingTreeEncoding: found.get('working-tree-encoding'),
    };
  }

  /** Assigns from right to left what is still open. A macro that becomes true counts in its place. */
  #assign(found: Map<string, AttributeValue>, assignments: readonly Assignment[]): void {
    const open = [...assignments];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (found.has(next.name)) continue;
      found.set(next.name, next.value);
      if (next.value === true) open.push(...(this.#macros.get(next.name) ?? []));
    }
  }
}

function readMacros(blob: Buffer, inherited: Macros): Macros {
  let macros: Map<string, readonly Assignment[]> | undefined;
  for (const { kind, subject, assignments } of parseAttributes(blob)) {
    if (kind !== 'macro') continue;
    checkBytes(blob.length);
    macros ??= new Map(inherited);
    macros.set(subject, assignments);
  }
  return macros ?? inherited;
}

function checkBytes(bytes: number): void {
  if (bytes > MAX_BYTES) {
    throw new SnapshotError('LIMIT_EXCEEDED', `more than ${MAX_BYTES} bytes of attribute rules`);
  }
}

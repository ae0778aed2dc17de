import { limitExceeded } from '../errors.js';
import { throwIfStopped } from '../workers/stop.js';
import { type Assignment, type AttributeValue, parseAttributes } from './attribute-file.js';
import { compilePattern } from './attribute-pattern.js';
import { AttributeSteps, STEPS_PER_SEARCH } from './attribute-steps.js';
import { type AttributeRule, AttributeTable, FileName } from './attribute-table.js';

/** Values by name, macros included. */
export type Attributes = ReadonlyMap<string, AttributeValue>;

type Macros = ReadonlyMap<string, readonly Assignment[]>;

const CONVERSION_NAMES = new Set(['text', 'crlf', 'eol', 'ident', 'working-tree-encoding']);

const NO_ATTRIBUTES: Attributes = new Map();

/** git's `binary` without `-diff` and `-merge`, which change no file. */
const BUILT_IN_MACROS: Macros = new Map([['binary', [{ name: 'text', value: false }]]]);

/** The most bytes of attribute files for one file. As rules they take 80 times the memory. */
const MAX_BYTES = 4 * 1024 * 1024;

/** For reading a byte of an attribute file. */
const STEPS_PER_BYTE = 20;
const STEPS_PER_ASSIGNMENT = 10;

/** The rules of one attributes file, and those of the files above. */
interface Scope {
  readonly parent: AttributeRules | undefined;
  /** Of the directory: 0 for the top. */
  readonly depth: number;
  /** By folder: the directory, or a folder below it. */
  readonly tables: ReadonlyMap<string, AttributeTable>;
  readonly macros: Macros;
  /** Of the attribute files here and above. */
  readonly bytes: number;
  readonly steps: AttributeSteps;
}

/**
 * The rules of the `.gitattributes` files that apply in one directory: its own and those above, in
 * a chain, so that a walk over a tree keeps them only while it needs them. Paths are latin1.
 */
export class AttributeRules {
  readonly #scope: Scope;
  /** The latest directory, where the next file often is. Tables of deeper files come first. */
  #last: { directory: string; byFile: readonly (readonly AttributeTable[])[] } | undefined;

  private constructor(scope: Scope) {
    this.#scope = scope;
  }

  /** git's built-in macro only. @param steps for all rules below it. Default: any number. */
  static builtIn(steps = new AttributeSteps(Number.MAX_SAFE_INTEGER)): AttributeRules {
    const tables = new Map<string, AttributeTable>();
    const macros = BUILT_IN_MACROS;
    return new AttributeRules({ parent: undefined, depth: 0, tables, macros, bytes: 0, steps });
  }

  /**
   * The rules of a directory in this one; of the top of the tree, if this is `builtIn`.
   *
   * @param directory empty for the top, else the path from there with a slash at its end.
   * @param blob of its `.gitattributes`; see `PlannedTree.attributes`.
   * @throws SnapshotError `LIMIT_EXCEEDED` for too many bytes with rules that matter, or steps.
   */
  child(directory: string, blob: Buffer): AttributeRules {
    const { steps, macros: inherited } = this.#scope;
    steps.take(blob.length * STEPS_PER_BYTE);
    const bytes = this.#scope.bytes + blob.length;
    // Macros apply to earlier lines too. Only the top may define macros.
    const macros = directory === '' ? readMacros(blob, inherited) : inherited;
    const tables = new Map<string, AttributeTable>();
    let position = 0;
    for (const { kind, subject, assignments } of parseAttributes(blob)) {
      const matter = assignments.filter(
        ({ name }) => CONVERSION_NAMES.has(name) || macros.has(name),
      );
      if (kind === 'macro' || matter.length === 0) continue;
      const pattern = compilePattern(subject, directory);
      if (pattern === undefined) continue;
      checkBytes(bytes);
      const table = tables.get(pattern.folder) ?? new AttributeTable();
      tables.set(pattern.folder, table);
      table.add({ position: position++, pattern, assignments: matter });
    }
    if (tables.size === 0 && macros === inherited) return this;
    const depth = directory.split('/').length - 1;
    return new AttributeRules({ parent: this, depth, tables, macros, bytes, steps });
  }

  /**
   * The attributes of a file in this directory. Deeper attributes files override higher ones, later
   * lines earlier ones, and assignments to the right those to the left.
   *
   * @throws SnapshotError `LIMIT_EXCEEDED` for too many steps.
   */
  lookup(path: string): Attributes {
    throwIfStopped();
    const nameAt = path.lastIndexOf('/') + 1;
    const file = new FileName(path.slice(nameAt));
    const found = new Map<string, AttributeValue>();
    for (const tables of this.#tablesFor(path.slice(0, nameAt))) {
      const rules: AttributeRule[] = [];
      for (const table of tables) table.collect(path, file, this.#scope.steps, rules);
      rules.sort((a, b) => b.position - a.position);
      for (const { assignments } of rules) this.#assign(found, assignments);
    }
    return found.size === 0 ? NO_ATTRIBUTES : found;
  }

  #tablesFor(directory: string): readonly (readonly AttributeTable[])[] {
    if (this.#last?.directory === directory) return this.#last.byFile;
    const folders = foldersOf(directory);
    const byFile: AttributeTable[][] = [];
    for (let rules: AttributeRules | undefined = this; rules; rules = rules.#scope.parent) {
      const found = tablesIn(folders, rules.#scope);
      if (found.length > 0) byFile.push(found);
    }
    this.#last = { directory, byFile };
    return byFile;
  }

  /** Assigns the attributes that have no value yet, from right to left, and expands macros. */
  #assign(found: Map<string, AttributeValue>, assignments: readonly Assignment[]): void {
    const open = [...assignments];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      this.#scope.steps.take(STEPS_PER_ASSIGNMENT);
      if (found.has(next.name)) continue;
      found.set(next.name, next.value);
      if (next.value === true) open.push(...(this.#scope.macros.get(next.name) ?? []));
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

function tablesIn(folders: readonly string[], { depth, tables, steps }: Scope): AttributeTable[] {
  const found: AttributeTable[] = [];
  for (const folder of folders.slice(depth)) {
    if (found.length === tables.size) break;
    steps.take(STEPS_PER_SEARCH);
    const table = tables.get(folder);
    if (table !== undefined) found.push(table);
  }
  return found;
}

/** A directory and its parents, from the top: empty, or paths with a slash at the end. */
function foldersOf(directory: string): string[] {
  const folders = [''];
  for (let slash = directory.indexOf('/'); slash >= 0; slash = directory.indexOf('/', slash + 1)) {
    folders.push(directory.slice(0, slash + 1));
  }
  return folders;
}

function checkBytes(bytes: number): void {
  if (bytes > MAX_BYTES) {
    throw limitExceeded(undefined, `more than ${MAX_BYTES} bytes of attribute rules`);
  }
}

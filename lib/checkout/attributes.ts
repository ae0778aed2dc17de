import { SnapshotError } from '../errors.js';
import { throwIfStopped } from '../workers/stop.js';
import { type Assignment, type AttributeValue, parseAttributes } from './attribute-file.js';
import { compilePattern } from './attribute-pattern.js';
import { AttributeSteps, STEPS_PER_SEARCH } from './attribute-steps.js';
import { type AttributeRule, AttributeTable, FileName } from './attribute-table.js';

/** The attributes that decide how a blob becomes a file; `undefined` where none is set. */
export interface ConversionAttributes {
  readonly text: AttributeValue;
  /** The name of `text` before git 1.7.2. */
  readonly crlf: AttributeValue;
  readonly eol: AttributeValue;
  readonly ident: AttributeValue;
  readonly workingTreeEncoding: AttributeValue;
}

type Macros = ReadonlyMap<string, readonly Assignment[]>;

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

/**
 * The most bytes of attribute files that apply to one file. As rules they take about eighty times
 * the memory.
 */
const MAX_BYTES = 4 * 1024 * 1024;

/** The steps to read a byte of an attribute file; to compare a byte is one step. */
const STEPS_PER_BYTE = 20;
const STEPS_PER_ASSIGNMENT = 10;

/** The tables for files of one directory, by attributes file. */
interface DirectoryTables {
  readonly directory: string;
  /** Deeper files first. */
  readonly byFile: readonly (readonly AttributeTable[])[];
}

/**
 * The rules of the `.gitattributes` files that apply in one directory: its own and those above. The
 * rules form a chain, so that a walk over a tree keeps the rules of a directory only while it is
 * there.
 *
 * Paths are bytes, taken as latin1 strings.
 */
export class AttributeRules {
  readonly #parent: AttributeRules | undefined;
  /** The depth of the directory: 0 for the top. */
  readonly #depth: number;
  /** By folder: the directory, or a folder below it. */
  readonly #tables: ReadonlyMap<string, AttributeTable>;
  readonly #macros: Macros;
  /** The size of the attribute files here and above. */
  readonly #bytes: number;
  readonly #steps: AttributeSteps;
  /** The tables of the latest file's directory: the next file is often in the same one. */
  #last: DirectoryTables | undefined;

  private constructor(
    parent: AttributeRules | undefined,
    depth: number,
    tables: ReadonlyMap<string, AttributeTable>,
    macros: Macros,
    bytes: number,
    steps: AttributeSteps,
  ) {
    this.#parent = parent;
    this.#depth = depth;
    this.#tables = tables;
    this.#macros = macros;
    this.#bytes = bytes;
    this.#steps = steps;
  }

  /**
   * The rules without any `.gitattributes`: only git's built-in macro.
   *
   * @param steps that all rules below it may take together. Default: any number.
   */
  static builtIn(steps = new AttributeSteps(Number.MAX_SAFE_INTEGER)): AttributeRules {
    return new AttributeRules(undefined, 0, new Map(), BUILT_IN_MACROS, 0, steps);
  }

  /**
   * The rules of a directory in this one. For the top of the tree, call it on `builtIn`.
   *
   * @param directory empty for the top, else the path from there with a slash at its end.
   * @param blob the object that the directory's entry `.gitattributes` names, `undefined` where
   * there is no such entry. A symbolic link's counts too: during a checkout git reads attributes
   * from the index, and there it does not tell the two apart.
   * @throws SnapshotError `LIMIT_EXCEEDED` for more than 4 MiB of files with rules that matter, and
   * for too many steps.
   */
  child(directory: string, blob: Buffer | undefined): AttributeRules {
    if (blob === undefined) return this;
    this.#steps.take(blob.length * STEPS_PER_BYTE);
    const bytes = this.#bytes + blob.length;
    // Macros apply to earlier lines too. Only the top may define macros.
    const macros = directory === '' ? readMacros(blob, this.#macros) : this.#macros;
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
    if (tables.size === 0 && macros === this.#macros) return this;
    const depth = directory.split('/').length - 1;
    return new AttributeRules(this, depth, tables, macros, bytes, this.#steps);
  }

  /**
   * The attributes of a file in this directory. Deeper attributes files override higher ones, later
   * lines earlier ones, and within a line, assignments further right those to the left.
   *
   * @param path from the top of the tree.
   * @throws SnapshotError `LIMIT_EXCEEDED` for too many steps.
   */
  lookup(path: string): ConversionAttributes {
    throwIfStopped();
    const nameAt = path.lastIndexOf('/') + 1;
    const file = new FileName(path.slice(nameAt));
    const found = new Map<string, AttributeValue>();
    for (const tables of this.#tablesFor(path.slice(0, nameAt))) {
      const rules: AttributeRule[] = [];
      for (const table of tables) table.collect(path, file, this.#steps, rules);
      rules.sort((a, b) => b.position - a.position);
      for (const { assignments } of rules) this.#assign(found, assignments);
    }
    if (found.size === 0) return NO_ATTRIBUTES;
    return {
      text: found.get('text'),
      crlf: found.get('crlf'),
      eol: found.get('eol'),
      ident: found.get('ident'),
      workingTreeEncoding: found.get('working-tree-encoding'),
    };
  }

  #tablesFor(directory: string): DirectoryTables['byFile'] {
    if (this.#last?.directory === directory) return this.#last.byFile;
    const folders = foldersOf(directory);
    const byFile: AttributeTable[][] = [];
    for (let scope: AttributeRules | undefined = this; scope; scope = scope.#parent) {
      const tables = scope.#tablesIn(folders);
      if (tables.length > 0) byFile.push(tables);
    }
    this.#last = { directory, byFile };
    return byFile;
  }

  /** @param folders that contain the file, from the top of the tree. */
  #tablesIn(folders: readonly string[]): AttributeTable[] {
    const found: AttributeTable[] = [];
    for (const folder of folders.slice(this.#depth)) {
      if (found.length === this.#tables.size) break;
      this.#steps.take(STEPS_PER_SEARCH);
      const table = this.#tables.get(folder);
      if (table !== undefined) found.push(table);
    }
    return found;
  }

  /**
   * Assigns the attributes that have no value yet, from right to left. A macro set to true is
   * expanded.
   */
  #assign(found: Map<string, AttributeValue>, assignments: readonly Assignment[]): void {
    const open = [...assignments];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      this.#steps.take(STEPS_PER_ASSIGNMENT);
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

/** A directory and those above, from the top: empty, or paths with a slash at the end. */
function foldersOf(directory: string): string[] {
  const folders = [''];
  for (let slash = directory.indexOf('/'); slash >= 0; slash = directory.indexOf('/', slash + 1)) {
    folders.push(directory.slice(0, slash + 1));
  }
  return folders;
}

function checkBytes(bytes: number): void {
  if (bytes > MAX_BYTES) {
    throw new SnapshotError('LIMIT_EXCEEDED', `more than ${MAX_BYTES} bytes of attribute rules`);
  }
}

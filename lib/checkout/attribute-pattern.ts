import { Glob } from './attribute-glob.js';
import type { AttributeSteps } from './attribute-steps.js';

/** The files that a pattern matches. Bytes as latin1. */
export interface AttributePattern {
  /** Only files below it match. Empty, or a path from the top with a slash at its end. */
  readonly folder: string;
  /** The end of the names of matching files; empty if the pattern ends with a wildcard. */
  readonly ending: string;
  /** Whether `ending` is the whole name. */
  readonly isWhole: boolean;
  /** Whether a path, from the top, that fits the above matches. `undefined`: always. */
  readonly matches: ((path: string, steps: AttributeSteps) => boolean) | undefined;
}

const SPECIAL = /[*?[\\]/;
const UP_TO_SPECIAL = /^.*[*?[\]\\/]/s;

/**
 * A pattern with a slash is matched with the path from the directory of the attributes file, any
 * other with the file's name. A pattern that ends with a slash means directories.
 *
 * @param directory of the attributes file: empty, or a path with a slash at its end.
 * @returns `undefined` when no file can match.
 */
export function compilePattern(pattern: string, directory: string): AttributePattern | undefined {
  if (pattern === '' || pattern.endsWith('/')) return undefined;
  return pattern.includes('/')
    ? compilePathPattern(directory, pattern.replace(/^\//, ''))
    : compileNamePattern(directory, pattern);
}

function compileNamePattern(folder: string, pattern: string): AttributePattern | undefined {
  if (!SPECIAL.test(pattern)) {
    return { folder, ending: pattern, isWhole: true, matches: undefined };
  }
  if (pattern.startsWith('*') && !SPECIAL.test(pattern.slice(1))) {
    return { folder, ending: pattern.slice(1), isWhole: false, matches: undefined };
  }
  const glob = Glob.compile(pattern);
  if (glob === undefined) return undefined;
  return {
    folder,
    ending: literalEnd(pattern),
    isWhole: false,
    matches: (path, steps) => glob.matches(path, path.lastIndexOf('/') + 1, steps),
  };
}

/**
 * As in git, the part from the first wildcard on is a pattern of its own. So `**` takes whole
 * segments even after other text, which gitignore(5) does not mention.
 */
function compilePathPattern(directory: string, pattern: string): AttributePattern | undefined {
  const special = pattern.search(SPECIAL);
  const text = directory + (special < 0 ? pattern : pattern.slice(0, special));
  const folder = text.slice(0, text.lastIndexOf('/') + 1);
  if (special < 0) {
    const ending = text.slice(folder.length);
    return { folder, ending, isWhole: true, matches: (path) => path === text };
  }
  const glob = Glob.compile(pattern.slice(special));
  if (glob === undefined) return undefined;
  const ending = literalEnd(pattern);
  return {
    folder,
    ending,
    // In `a**/b` the slash may match nothing.
    isWhole: text === folder && ending !== '' && pattern.at(-ending.length - 1) === '/',
    matches: (path, steps) => path.startsWith(text) && glob.matches(path, text.length, steps),
  };
}

function literalEnd(pattern: string): string {
  return pattern.replace(UP_TO_SPECIAL, '');
}

import { Glob } from './attribute-glob.js';

/** Whether a file's path, from the top of the tree, is one that the pattern means. */
export type PathTest = (path: string) => boolean;

const SPECIAL = /[*?[\\]/;

/**
 * Compiles the pattern of a `.gitattributes` line, for files: a pattern that ends with a slash means
 * directories and so never a file.
 *
 * - Without a slash it is matched with the file's name, at any depth.
 * - With one it is matched with the path, from the directory of the attributes file on.
 *
 * Patterns and paths are bytes in latin1 strings.
 *
 * @param directory where the attributes file lies: empty, or a path with a slash at its end.
 * @returns `undefined` when no file can match.
 */
export function compilePattern(pattern: string, directory: string): PathTest | undefined {
  if (pattern === '' || pattern.endsWith('/')) return undefined;
  return pattern.includes('/')
    ? compilePathPattern(directory, pattern.replace(/^\//, ''))
    : compileNamePattern(pattern);
}

function compileNamePattern(pattern: string): PathTest | undefined {
  if (!SPECIAL.test(pattern)) {
    const end = `/${pattern}`;
    return (path) => path.endsWith(end) || path === pattern;
  }
  if (pattern.startsWith('*') && !SPECIAL.test(pattern.slice(1))) {
    const end = pattern.slice(1);
    return (path) => path.endsWith(end);
  }
  const glob = Glob.compile(pattern);
  return glob && ((path) => glob.matches(path, path.lastIndexOf('/') + 1));
}

/**
 * As in git, what begins at the first wildcard is a pattern of its own. So two stars there take whole
 * segments even when text precedes them, which gitignore(5) does not say.
 */
function compilePathPattern(directory: string, pattern: string): PathTest | undefined {
  const special = pattern.search(SPECIAL);
  if (special < 0) {
    const whole = directory + pattern;
    return (path) => path === whole;
  }
  const text = directory + pattern.slice(0, special);
  const glob = Glob.compile(pattern.slice(special));
  return glob && ((path) => path.startsWith(text) && glob.matches(path, text.length));
}

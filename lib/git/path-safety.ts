/*
 * The names that git refuses to check out: `verify_path` of git's read-cache.c with
 * `core.protectHFS` and `core.protectNTFS` both on, because a snapshot may be unpacked on any file
 * system. All other names that git clones on Linux pass: with backslashes, device names, trailing
 * spaces, bytes that are not UTF-8. Paths are bytes as latin1.
 */

/** Linux's NAME_MAX and PATH_MAX, which also limits targets of symlinks. */
export const MAX_NAME_BYTES = 255;
export const MAX_PATH_BYTES = 4095;

/** A byte sequence that git reads as one character; it also refuses U+FFFE and U+FFFF. */
const UTF8_CHARACTER = [
  '[\\x00-\\x7f]',
  '[\\xc2-\\xdf][\\x80-\\xbf]',
  '(?:\\xe0[\\xa0-\\xbf]|[\\xe1-\\xec\\xee][\\x80-\\xbf]|\\xed[\\x80-\\x9f])[\\x80-\\xbf]',
  '\\xef(?:[\\x80-\\xbe][\\x80-\\xbf]|\\xbf[\\x80-\\xbd])',
  '(?:\\xf0[\\x90-\\xbf]|[\\xf1-\\xf3][\\x80-\\xbf]|\\xf4[\\x80-\\x8f])[\\x80-\\xbf]{2}',
].join('|');

/** U+200C–U+200F, U+202A–U+202E, U+206A–U+206F and U+FEFF, which HFS+ leaves out of names. */
const HFS_IGNORED =
  '(?:\\xe2\\x80[\\x8c-\\x8f\\xaa-\\xae]|\\xe2\\x81[\\xaa-\\xaf]|\\xef\\xbb\\xbf)*';

/** A segment that HFS+ reads as `.{name}`. A malformed character ends the name, as in git. */
function hfsSegment(name: string): RegExp {
  // The flag `i` would also fold bytes above 0x7f.
  const letters = ['\\.', ...Array.from(name, (c) => `[${c}${c.toUpperCase()}]`)];
  return new RegExp(
    `(?:^|/)${HFS_IGNORED}${letters.join(HFS_IGNORED)}${HFS_IGNORED}(?:/|(?!${UTF8_CHARACTER}))`,
  );
}

const EMPTY_OR_DOTS = /(?:^|\/)\.{0,2}(?:\/|$)/;
const NTFS_DOT_GIT = /(?:^|[/\\])(?:\.git|git~1)[. ]*(?:[/\\:]|$)/i;
const HFS_DOT_GIT = hfsSegment('git');
/** Also its short names: six letters and up to `~4`, or a hash cut short by a number. */
const NTFS_DOT_GITMODULES =
  /(?:^|[/\\])(?:\.gitmodules|gitmod~[1-4]|~[1-9]\d{6}|g~[1-9]\d{5}|gi~[1-9]\d{4}|gi7~[1-9]\d{3}|gi7e~[1-9]\d\d|gi7eb~[1-9]\d|gi7eba~[1-9])[. ]*(?::|$)/i;
const HFS_DOT_GITMODULES = hfsSegment('gitmodules');

/**
 * The reason why git refuses to check out an entry; `undefined` when git accepts it.
 *
 * @param path from the top of the tree: git refuses a symbolic link also below a directory called
 * `.gitmodules`.
 */
export function verifyPath(path: string, symlink: boolean): string | undefined {
  if (EMPTY_OR_DOTS.test(path)) return 'has an empty, "." or ".." segment';
  if (path.includes('\0')) return 'contains NUL';
  if (NTFS_DOT_GIT.test(path) || HFS_DOT_GIT.test(path)) {
    return 'has a segment that is .git on some file system';
  }
  if (symlink && (NTFS_DOT_GITMODULES.test(path) || HFS_DOT_GITMODULES.test(path))) {
    return 'is a symbolic link in place of .gitmodules on some file system';
  }
  return undefined;
}

import { shownName } from '../archive/entry-path.js';
import { SnapshotError } from '../errors.js';

/*
 * Names that do not mean a file of that name on Windows. git for Windows refuses the same names
 * (`is_valid_win32_path` of compat/mingw.c).
 */

/**
 * Separators, streams (`file:stream`), wildcards, control characters, and ends that Windows drops.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the rule is about control characters
const SPECIAL = /[\x00-\x1f\\:<>"|?*]|[. ]$/;

/**
 * Devices, with any extension. Paths are bytes as latin1: the ends of COM¹, COM² and COM³ have two
 * bytes.
 */
const DEVICE =
  /^(?:con|prn|aux|nul|(?:com|lpt)(?:[1-9]|\xc2[\xb9\xb2\xb3])|con(?:in|out)\$) *(?:\.|$)/i;

/**
 * @param path segments joined by `/`. Bytes as latin1.
 * @throws SnapshotError `ARCHIVE_INVALID`.
 */
export function refuseWindowsPath(path: string): void {
  for (const segment of path.split('/')) {
    if (!SPECIAL.test(segment) && !DEVICE.test(segment)) continue;
    const message = `the archive has an entry that can't have its name on Windows: ${shownName(path)}`;
    throw new SnapshotError('ARCHIVE_INVALID', message);
  }
}
